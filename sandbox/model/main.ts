/**
 * The model sandbox as a process: `npm run sandbox:model`. Prints one JSON line when it is ready; ends on SIGTERM, SIGINT,
 * or when the process that forked it is gone.
 */
import { exitWhenParentGoes } from '../parent.ts';
import { createModelSandbox } from './server.ts';

async function main(): Promise<void> {
  const sandbox = await createModelSandbox({
    port: readNumber('MODEL_SANDBOX_PORT', 65_535),
    latencyMs: readNumber('MODEL_SANDBOX_LATENCY_MS', 600_000),
  });
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    void sandbox.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  exitWhenParentGoes();
  console.log(JSON.stringify({ ready: true, url: sandbox.url }));
}

/** @throws RangeError when the variable is set and is no whole number up to `most`. */
function readNumber(name: string, most: number): number {
  const text = process.env[name] ?? '';
  if (text === '') return 0;
  if (!/^\d+$/.test(text) || Number(text) > most)
    throw new RangeError(`${name} must be a whole number from 0 to ${most}`);
  return Number(text);
}

try {
  await main();
} catch (error) {
  console.error(`model sandbox: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
