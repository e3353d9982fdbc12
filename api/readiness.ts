/**
 * Whether this process can do its work: PostgreSQL and Temporal are asked, Composio is told of by its last answer and
 * never makes the process unready, because users, runs and links are accepted without it.
 */
export type PartState = 'up' | 'down';
export type ReadinessReport = {
  readonly ready: boolean;
  readonly postgres: PartState;
  readonly temporal: PartState;
  readonly composio: PartState | 'unknown';
};

export type Readiness = {
  check(): Promise<ReadinessReport>;
  /** From now on the process is not ready: a load balancer should stop sending requests. */
  close(): void;
};

export type ReadinessProbes = {
  readonly postgres: () => Promise<unknown>;
  readonly temporal: () => Promise<unknown>;
  readonly composio: { lastAnswer(): PartState | 'unknown' };
};

// A probe is asked every few seconds; a part that takes longer than this for a trivial question is not usable.
const PROBE_TIMEOUT_MS = 2_000;

export function createReadiness(probes: ReadinessProbes): Readiness {
  let closing = false;
  return {
    async check() {
      const [postgres, temporal] = await Promise.all([probe(probes.postgres), probe(probes.temporal)]);
      const composio = probes.composio.lastAnswer();
      return { ready: !closing && postgres === 'up' && temporal === 'up', postgres, temporal, composio };
    },
    close() {
      closing = true;
    },
  };
}

async function probe(ask: () => Promise<unknown>): Promise<PartState> {
  const { promise: timeout, resolve } = Promise.withResolvers<PartState>();
  const timer = setTimeout(() => resolve('down'), PROBE_TIMEOUT_MS);
  const answer = Promise.resolve()
    .then(ask)
    .then(
      (): PartState => 'up',
      (): PartState => 'down',
    );
  return await Promise.race([answer, timeout]).finally(() => clearTimeout(timer));
}
