/** What the steps of a start share. Types and the order of the stop; no behaviour but watching. */
import type { Output } from '../progress.ts';
import { PartFailedError } from '../process.ts';
import type { DataDir } from './data-dir.ts';
import type { Env, Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import type { Releases } from './releases.ts';

/** The higher, the earlier it is stopped: nobody may lose what it still needs to stop in order. */
export const RANK = { api: 50, worker: 40, sandbox: 30, temporal: 20, postgres: 10, dataDir: 0 } as const;

/**
 * How long each part may take to stop before it is killed. Together under the 10 s that a person waits; seen were
 * 0.1 s for each of ours, 1.7 s for Temporal and 0.05 s for PostgreSQL.
 */
export const STOP_GRACE_MS = {
  api: 1_500,
  worker: 2_000,
  sandbox: 750,
  temporal: 2_500,
  postgres: 1_500,
} as const;

/** Worker and API load in 2 to 4 s on 2 idle cores, the bundle of the workflows included; a busy machine takes far longer. */
export const READY_TIMEOUT_MS = 90_000;

export type StartContext = {
  readonly env: Env;
  readonly plan: Plan;
  readonly dir: DataDir;
  readonly ports: Ports;
  readonly releases: Releases;
  readonly log: (line: string) => void;
  readonly output: Output;
  /** Aborted: leave at once, somebody stops what was started. */
  readonly signal: AbortSignal;
  /** To be told of a part that ends unasked. During a stop every part ends, and nobody listens any more. */
  readonly fail: (error: PartFailedError) => void;
};

/** Reports the end of a server that is not ours. */
export function watchServer(
  name: string,
  server: { readonly exited: Promise<unknown>; readonly tail: () => string[]; readonly logFile: string },
  fail: StartContext['fail'],
): void {
  void (async () => {
    await server.exited;
    fail(
      new PartFailedError(
        [`${name} ended (log: ${server.logFile})`, ...server.tail().map((line) => `  ${line}`)].join('\n'),
      ),
    );
  })();
}
