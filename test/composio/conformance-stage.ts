/** What the parts of the conformance suite share: a port, the sandbox behind it and the sandbox's own memory. */
import type { Tool } from '../../domain/tool.ts';
import type { ComposioPort } from '../../composio/port.ts';
import type { SandboxControl } from '../../sandbox/composio/control.ts';
import type { ComposioSandbox } from '../../sandbox/composio/server.ts';

export type MakePort = (config: {
  apiKey: string;
  baseUrl: string;
  authConfigs: ReadonlyMap<string, string>;
}) => ComposioPort;

/** Filled before the first test; one port for all of a file's tests, as a worker has one for all of its runs. */
export type Stage = { port: ComposioPort; control: SandboxControl; sandbox: ComposioSandbox };

export async function knownTool(port: ComposioPort, slug: string): Promise<Tool> {
  const [tool] = await port.getTools([slug]);
  if (!tool) throw new Error(`the sandbox has no ${slug}`);
  return tool;
}

export async function lastSeq(control: SandboxControl): Promise<number> {
  return (await control.requests()).at(-1)?.seq ?? 0;
}
