/**
 * `npm start`: a whole Bellhop on this machine, with real services where the environment names them. It prints where
 * everything is, waits for Ctrl-C and stops it all in order. Exit code 0 after a stop, 1 when something could not start
 * or ended by itself; what a person can put right is one line without a stack trace.
 */
import './check-node.mjs';
import { enableCompileCache } from 'node:module';
import { compileCacheOf } from './cache-folder.ts';
import { standardErrorOutput } from './progress.ts';
import { listenForStop } from './start/signals.ts';

/** What is left by a stop that hangs is killed by the exit hooks; 10 s is what a person is told to wait at most. */
const STOP_TIMEOUT_MS = 9_500;

const stopSignals = listenForStop(() => {
  console.error('Forced to stop.');
  process.exit(1);
});
// A closed terminal or pipe must not keep the stop from running in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

async function main(): Promise<number> {
  const startedAt = performance.now();
  console.log('Starting Bellhop ...');
  enableCompileCache(compileCacheOf(process.env));
  // Loaded here, for it takes a moment in which Ctrl-C must be heard already.
  const { startBellhop } = await import('./start/bellhop.ts');
  const { listEarlierRuns } = await import('./start/earlier-runs.ts');
  const { describeStart } = await import('./start/report.ts');
  const bellhop = await startBellhop({
    env: process.env,
    dataDir: process.env['BELLHOP_DATA_DIR'] || '.bellhop',
    log: (line) => console.log(line),
    output: standardErrorOutput(),
    signal: stopSignals.signal,
  });
  const earlierRuns = await listEarlierRuns(bellhop.apiUrl, bellhop.apiKey);
  console.log(describeStart({ bellhop, earlierRuns, seconds: (performance.now() - startedAt) / 1_000 }));

  const failure = await Promise.race([stopSignals.requested.then(() => null), bellhop.failed]);
  if (failure !== null) console.error(`Bellhop: ${failure.message}`);
  console.log('Stopping ...');
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  const stoppingAt = performance.now();
  await bellhop.stop();
  console.log(`Stopped after ${((performance.now() - stoppingAt) / 1_000).toFixed(1)} s.`);
  return failure === null ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  if (stopSignals.signal.aborted) {
    console.log('Stopped while starting.');
    process.exit(0);
  }
  const { describeFailure } = await import('./start/failure.ts');
  console.error(describeFailure(error));
  process.exit(1);
}
