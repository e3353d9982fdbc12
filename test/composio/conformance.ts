/**
 * What any adapter of ComposioPort must do, told against the Composio sandbox and judged by the sandbox's own journal and
 * request log. A second adapter passes by calling `describeComposioPort` with its own factory.
 */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { createSandboxControl } from '../../sandbox/composio/control.ts';
import { DEFAULT_API_KEY } from '../../sandbox/composio/options.ts';
import { createComposioSandbox } from '../../sandbox/composio/server.ts';
import { describeExecution, describeIsolation, describeRefusals } from './conformance-acting.ts';
import { describeCatalogue, describeConnecting, describeConnections } from './conformance-reading.ts';
import type { MakePort, Stage } from './conformance-stage.ts';

export function describeComposioPort(name: string, makePort: MakePort): void {
  describe(`${name} as a ComposioPort`, () => {
    const stage = {} as Stage;
    beforeAll(async () => {
      stage.sandbox = await createComposioSandbox();
      stage.control = createSandboxControl(stage.sandbox.url);
      stage.port = makePort({ apiKey: DEFAULT_API_KEY, baseUrl: stage.sandbox.url, authConfigs: new Map() });
    });
    afterEach(async () => {
      await stage.control.clearFaults();
    });
    afterAll(async () => {
      await stage.sandbox.close();
    });
    describeCatalogue(stage);
    describeConnections(stage);
    describeConnecting(stage, makePort);
    describeExecution(stage);
    describeRefusals(stage);
    describeIsolation(stage);
  });
}
