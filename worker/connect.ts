/** The worker's two connections to Temporal: the native one polls, the client's makes Schedules at start. */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { TemporalConfig } from '../config/temporal.ts';

export type TemporalConnections = {
  readonly native: NativeConnection;
  readonly client: Client;
  close(): Promise<void>;
};

/** A server that is there answers in milliseconds, unless the machine has no processor to spare: that alone must not end a worker. */
const CONNECT_TIMEOUT = '30 seconds';

/** Few kilobytes a message: worth packing on the way to a cloud, which is always encrypted; within a network it only costs both sides CPU. */
const compressionOf = ({ tls }: TemporalConfig['connectionOptions']) =>
  ({ codec: tls ? 'gzip' : 'none' }) as const;

export async function connectTemporal({
  connectionOptions,
  namespace,
}: TemporalConfig): Promise<TemporalConnections> {
  const [native, connection] = await Promise.all([
    NativeConnection.connect({ ...connectionOptions, grpcCompression: compressionOf(connectionOptions) }),
    Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_TIMEOUT }),
  ]).catch((cause: unknown) => {
    // What the SDK says of it is the name of a Rust type.
    throw new Error(`Temporal does not answer at ${connectionOptions.address} (TEMPORAL_ADDRESS)`, { cause });
  });
  return {
    native,
    client: new Client({ connection, namespace }),
    close: async () => {
      await native.close();
      await connection.close();
    },
  };
}
