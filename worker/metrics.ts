/** All that a worker tells on /metrics, put together. Without a port nothing is counted and nothing is asked. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { Registry, collectDefaultMetrics } from 'prom-client';
import type { ComposioPort } from '../composio/port.ts';
import type { RequestBudget } from '../composio/request-budget.ts';
import type { Database } from '../db/pool.ts';
import type { ModelPort } from '../model/port.ts';
import { createActivityMetrics } from '../telemetry/activity-metrics.ts';
import {
  createComposioMetrics,
  createModelMetrics,
  registerBudgetMetrics,
} from '../telemetry/call-metrics.ts';
import { registerDatabaseGauges } from '../telemetry/database-gauges.ts';
import { prepareTemporalMetrics } from '../telemetry/temporal-metrics.ts';
import { watchComposio, watchModel } from '../telemetry/watched-ports.ts';

type Ports = { readonly composio: ComposioPort; readonly model: ModelPort };
type Counted = Ports & {
  readonly db: Database;
  readonly budget: RequestBudget;
  readonly requestsPerMinute: number;
};

export type WorkerMetrics = {
  readonly contentType: string;
  /** Where Temporal's runtime is to serve its own. */
  readonly temporalAddress: string;
  readonly activities: ActivityInterceptorsFactory;
  /** @returns the ports with their calls counted. */
  watch(counted: Counted): Ports;
  text(): Promise<string>;
};

export async function createWorkerMetrics(): Promise<WorkerMetrics> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const temporal = await prepareTemporalMetrics();
  return {
    contentType: registry.contentType,
    temporalAddress: temporal.bindAddress,
    activities: createActivityMetrics(registry),
    watch: ({ composio, model, budget, ...rows }) => {
      registerBudgetMetrics(registry, budget);
      registerDatabaseGauges(registry, rows);
      return {
        composio: watchComposio(composio, createComposioMetrics(registry)),
        model: watchModel(model, createModelMetrics(registry)),
      };
    },
    text: async () => (await Promise.all([registry.metrics(), temporal.read()])).join('\n'),
  };
}
