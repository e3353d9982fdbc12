/**
 * A liveness probe for the Temporal dev server, as a container platform has one: its SQLite can be left interrupted for good by
 * a request that was cut off, and then it answers nothing until it is started again. Every such end is in the operation log.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { OperationLog } from './log.ts';
import type { KeptServer, Server } from './server-keeper.ts';

const EVERY_MS = 2_000;
/** An answer comes in milliseconds; on a machine that does ten things at once, in a second. */
const ANSWER_MS = 4_000;
/** Silence for so long is no restart and no slow machine: a restart takes two to six seconds. */
const SILENCE_MS = 20_000;
/** gRPC's NOT_FOUND: the shard was read, and nobody is there. */
const NOT_FOUND = 5;

export type Liveness = { readonly stop: () => Promise<void> };

export function watchTemporal(
  { server, address }: { server: KeptServer<Server>; address: () => string },
  log: OperationLog,
): Liveness {
  const stopping = new AbortController();
  const { signal } = stopping;
  const living = (async () => {
    let answeredAt = Date.now();
    while (!signal.aborted) {
      if (!server.isUp() || (await answers(address()))) answeredAt = Date.now();
      else if (Date.now() - answeredAt > SILENCE_MS && server.signal('SIGKILL')) {
        log.note({ is: 'process', part: server.name, what: 'silent', pid: 0 });
        answeredAt = Date.now();
      }
      await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await living;
    },
  };
}

/** Asks for a workflow that nobody has: the question reaches the database. */
async function answers(address: string): Promise<boolean> {
  let connection: Connection | null = null;
  try {
    connection = await Connection.connect({ address, connectTimeout: ANSWER_MS });
    const { workflowService } = connection;
    const execution = { workflowId: 'nobody' };
    await connection.withDeadline(Date.now() + ANSWER_MS, () =>
      workflowService.describeWorkflowExecution({ namespace: 'default', execution }),
    );
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === NOT_FOUND;
  } finally {
    await connection?.close().catch(() => undefined);
  }
}
