/**
 * Makes sure that there is a Temporal CLI for `npm start` and the tests, and says where it is. Downloads or builds it once
 * when it is neither on PATH nor in the cache; starts nothing.
 */
import { standardErrorOutput } from '../sandbox/progress.ts';
import { resolveTemporalBinary } from '../sandbox/temporal/binary.ts';

try {
  const { path, from } = await resolveTemporalBinary({ env: process.env, output: standardErrorOutput() });
  console.log(`Temporal CLI: ${path} (${from})`);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
