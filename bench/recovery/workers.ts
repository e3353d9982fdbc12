/** The two workers of a recovery bench: real processes with one of two sets of settings, killed and replaced one at a time. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type MeasuredChild, startMeasured } from '../measured-child.ts';
import type { Stand } from '../stand.ts';

export type Settings = 'now' | 'earlier';
export type BenchWorker = MeasuredChild & { readonly identity: string };

const MAIN = join(import.meta.dirname, '..', '..', 'worker', 'main.ts');
const EARLIER = join(import.meta.dirname, 'earlier-settings.ts');

/** Resolves when it polls. */
export async function startBenchWorker(
  stand: Stand,
  settings: Settings,
  { bundle, taskQueue }: { bundle: string | null; taskQueue: string },
): Promise<BenchWorker> {
  const child = startMeasured(MAIN, {
    ...stand.env,
    LOG_LEVEL: 'info',
    TEMPORAL_TASK_QUEUE: taskQueue,
    ...(bundle === null ? {} : { BELLHOP_WORKFLOW_BUNDLE: bundle }),
    ...(settings === 'now' ? {} : { BENCH_SETTINGS: settings, NODE_OPTIONS: `--import ${EARLIER}` }),
  });
  await child.firstLine(/the worker polls/);
  // The SDK's default identity.
  return { ...child, identity: `${child.pid}@${hostname()}` };
}
