/**
 * The API's client of Temporal. It connects when it is first used, so the API starts and takes users while Temporal is
 * down, and it does not retry by itself: each failure must say plainly whether the request can have arrived.
 */
import type { ClientInterceptors, ConnectionOptions } from '@temporalio/client';
import { Client, Connection, makeGrpcRetryInterceptor } from '@temporalio/client';

/** gRPC's code; its enum is no part of the client's exports. */
const RESOURCE_EXHAUSTED: ReadonlySet<number> = new Set([8]);
// The server said "not now": provably not done. Three tries within about a second, well inside every deadline of ours.
const EXHAUSTED_TRIES = 3;

export type ApiTemporal = { readonly client: Client; close(): Promise<void> };

export function createTemporalClient(options: {
  connectionOptions: ConnectionOptions;
  namespace: string;
  /** Of whoever watches starts and signals. */
  interceptors?: ClientInterceptors;
}): ApiTemporal {
  const connection = Connection.lazy({
    ...options.connectionOptions,
    channelArgs: {
      // gRPC's own default lets a client stay away for two minutes after an outage of the server.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
    },
    interceptors: [
      makeGrpcRetryInterceptor({
        delayFunction: (attempt) => 150 * 2 ** attempt,
        retryableDecider: (attempt, status) =>
          RESOURCE_EXHAUSTED.has(status.code) && attempt < EXHAUSTED_TRIES,
      }),
    ],
  });
  return {
    client: new Client({
      connection,
      namespace: options.namespace,
      ...(options.interceptors === undefined ? {} : { interceptors: options.interceptors }),
    }),
    close: async () => await connection.close(),
  };
}
