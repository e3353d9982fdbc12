/** What an operator watches of the API, on a registry of its own. Labels are routes and statuses, never ids: no label may grow with users. */
import { Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export type HttpMetrics = {
  readonly registry: Registry;
  observeRequest(labels: { route: string; method: string; status: number }, seconds: number): void;
};

export function createHttpMetrics(): HttpMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const duration = new Histogram({
    name: 'bellhop_http_request_duration_seconds',
    help: 'Time from the request to the end of the answer.',
    labelNames: ['route', 'method', 'status'],
    // Up to 60 s, because ?wait= may hold an answer that long.
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [registry],
  });
  return {
    registry,
    observeRequest: ({ route, method, status }, seconds) =>
      duration.observe({ route, method, status: String(status) }, seconds),
  };
}
