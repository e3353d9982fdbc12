/** The worker's own small server: /healthz, /readyz and /metrics on WORKER_METRICS_PORT. No framework: three fixed answers. */
import { type Server, createServer } from 'node:http';
import type { WorkerMetrics } from './metrics.ts';

/** Probes and scrapers are quick; whoever is not holds nothing for long, and a few at once are all there are. */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 65_000 } as const;
const MAX_CONNECTIONS = 100;

export type WorkerHealth = { readonly server: Server; close(): Promise<void> };

export async function serveHealth(
  port: number,
  isReady: () => boolean,
  metrics: Pick<WorkerMetrics, 'text' | 'contentType'>,
): Promise<WorkerHealth> {
  const server = createServer(LIMITS, (request, response) => {
    const answer = (status: number, body: string, type = 'application/json'): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    };
    if (request.url === '/healthz') return answer(200, '{"status":"ok"}');
    if (request.url === '/readyz')
      return isReady() ? answer(200, '{"status":"ready"}') : answer(503, '{"status":"not_ready"}');
    if (request.url === '/metrics') {
      void metrics.text().then(
        (text) => answer(200, text, metrics.contentType),
        () => answer(500, '{"status":"failed"}'),
      );
      return undefined;
    }
    return answer(404, '{"status":"not_found"}');
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => resolve());
  });
  return {
    server,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
