/** The HTTP servers: limits that Node leaves wide open, and a stop that lets running requests finish. */
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { ConfigError } from '../config/config-error.ts';
import { answerClientErrors } from './client-errors.ts';
import type { HttpMetrics } from './metrics.ts';

export type Patience = {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How often Node looks for requests that are too slow. */
  readonly checkIntervalMs: number;
};
const PATIENCE: Patience = {
  // A client that has not sent its headers in this time is not going to.
  headersTimeoutMs: 10_000,
  // A body of 256 kB at 10 kB/s; slower ones hold a connection for nothing.
  requestTimeoutMs: 30_000,
  checkIntervalMs: 1_000,
};
/** Of the request line and all headers: a callback with a query of 10 kB is let in, to be refused as a page. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Longer than the idle timeout of usual load balancers (60 s), so that they close first and no request meets a dying socket. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** Bounds what a flood can take; ?wait= holds one each, so it is not small. */
const MAX_CONNECTIONS = 10_000;
/** Connections that wait to be accepted. With Node's 511, of thousands that come in one moment most try again after a second. The kernel's own limit holds beside it. */
const BACKLOG = 8_192;
/** After this long a request that still runs is cut, so that the stop ends: the longest one (a start) takes about 10 s. */
const DRAIN_MS = 12_000;
/** The whole stop: longer than the drain and the parts' own ends, shorter than the 30 s that orchestrators wait. */
export const CLOSE_DELAY_MS = 20_000;

export type RunningServer = { readonly port: number; close(): Promise<void> };

/** @throws the listen error, such as EADDRINUSE. */
export async function startServer(
  app: RequestListener,
  port: number,
  patience = PATIENCE,
): Promise<RunningServer> {
  const server = createServer(
    {
      headersTimeout: patience.headersTimeoutMs,
      requestTimeout: patience.requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: patience.checkIntervalMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Ours is told as a problem: see host-header.ts.
      requireHostHeader: false,
    },
    app,
  );
  answerClientErrors(server);
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** /metrics, on a port of its own that is not for the public. */
export async function serveMetrics({ registry }: HttpMetrics, port: number): Promise<RunningServer> {
  const app = express();
  app.disable('x-powered-by');
  app.get('/metrics', async (_req, res) => {
    const text = await registry.metrics();
    res.setHeader('content-type', registry.contentType);
    res.end(text);
  });
  return startServer(app, port);
}

/** One line for whoever started the process; a stack would only hide it. */
export function explainStartFailure(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof Error && 'port' in error && 'code' in error && error.code === 'EADDRINUSE') {
    return `Port ${String(error.port)} is taken; set PORT or METRICS_PORT to another one.`;
  }
  return `The API cannot start: ${error instanceof Error ? error.message : String(error)}`;
}
