/** Metrics and traces of a worker, as one: what watches its ports and its activities. Either may be off. */
import type { WorkerOptions } from '@temporalio/worker';
import type { Tracing } from '../telemetry/tracing-parts.ts';
import { watchComposio, watchModel } from '../telemetry/watched-ports.ts';
import type { WorkerMetrics } from './metrics.ts';

type Watched = Parameters<WorkerMetrics['watch']>[0];

export function watchWorker(
  { metrics, tracing }: { metrics: WorkerMetrics | null; tracing: Tracing | null },
  watched: Watched,
): Pick<Watched, 'composio' | 'model'> & { watchers: NonNullable<WorkerOptions['interceptors']> } {
  const { composio, model } = metrics?.watch(watched) ?? watched;
  const activity = [...(tracing?.worker.activity ?? []), ...(metrics === null ? [] : [metrics.activities])];
  return {
    composio: tracing === null ? composio : watchComposio(composio, tracing.composio),
    model: tracing === null ? model : watchModel(model, tracing.model),
    watchers: { ...tracing?.worker, activity },
  };
}
