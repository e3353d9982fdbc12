/** A server that is not ours (PostgreSQL, Temporal): started again on its own data whenever it dies. Every start and exit is logged. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OperationLog } from './log.ts';

export type Server = {
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<unknown>;
  readonly stop: () => Promise<void>;
};

export type KeptServer<T extends Server> = {
  readonly name: string;
  readonly first: T;
  readonly isUp: () => boolean;
  /** @returns whether there was a process to signal. */
  readonly signal: (signal: NodeJS.Signals) => boolean;
  readonly stop: () => Promise<void>;
};

/** A failed start (a port that was taken meanwhile) is repeated after this. */
const RETRY_MS = 1_000;

/** Resolves when the first one is ready. `onPort` tells where the newest one listens. */
export async function keepServer<T extends Server>(
  { name, start, onPort }: { name: string; start: () => Promise<T>; onPort: (port: number) => void },
  log: OperationLog,
): Promise<KeptServer<T>> {
  const stopping = new AbortController();
  let current: T | null = null;
  const begin = async (): Promise<T> => {
    const server = await start();
    current = server;
    onPort(server.port);
    log.note({ is: 'process', part: name, what: 'ready', pid: server.pid });
    return server;
  };
  const first = await begin();
  const living = (async () => {
    let server: T | null = first;
    while (!stopping.signal.aborted) {
      if (server !== null) {
        await server.exited;
        current = null;
        log.note({ is: 'process', part: name, what: 'exit', pid: server.pid });
        await server.stop();
      }
      if (stopping.signal.aborted) return;
      server = await begin().catch(async (error: unknown) => {
        console.error(`${name} does not start again: ${String(error)}`);
        await sleep(RETRY_MS);
        return null;
      });
    }
  })();
  return {
    name,
    first,
    isUp: () => current !== null,
    signal: (signal) => {
      if (current === null) return false;
      try {
        return process.kill(current.pid, signal);
      } catch {
        return false;
      }
    },
    stop: async () => {
      stopping.abort();
      await current?.stop();
      await living;
    },
  };
}
