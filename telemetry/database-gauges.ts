/**
 * What the rows say, as gauges. Every process that serves /metrics has them and all answer the same, so dashboards take the
 * maximum. While the database does not answer they are absent, and `bellhop_gauges_up` is 0: a scrape never hangs on it.
 */
import { Gauge, type Registry } from 'prom-client';
import { type AuditGauges, type Gauges, type GaugeSnapshot, readGauges } from '../db/gauges.ts';
import type { Database } from '../db/pool.ts';
import { budgetTerms } from '../domain/request-budget.ts';

/** Prometheus waits 10 s by default; what else there is to tell must still arrive. */
const PATIENCE_MS = 4_000;
/** The gauges of one scrape share one read. */
const SHARED_MS = 1_000;

type Set = (value: number, labels?: Readonly<Record<string, string>>) => void;
type Definition = {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly tell: (set: Set, gauges: Gauges) => void;
};

export function registerDatabaseGauges(
  registry: Registry,
  { db, requestsPerMinute }: { db: Database; requestsPerMinute: number },
): void {
  const read = shared(() => withPatience(readGauges(db)));
  for (const { name, help, labels = [], tell } of [...ROWS, ...AUDIT, ...budget(requestsPerMinute)]) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect: async () => {
        gauge.reset();
        // A gauge without labels starts at 0, which would be an answer.
        if (labels.length === 0) gauge.remove();
        const snapshot = await read();
        if (snapshot) tell((value, of) => gauge.set({ ...of }, value), snapshot.gauges);
      },
    });
  }
  const up: Gauge = new Gauge({
    name: 'bellhop_gauges_up',
    help: '1 when the figures from the database could be read.',
    registers: [registry],
    collect: async () => up.set((await read()) === null ? 0 : 1),
  });
  const age: Gauge = new Gauge({
    name: 'bellhop_gauges_age_seconds',
    help: 'How old the figures from the database are; counted anew after 10 s, more seldom where counting takes long.',
    registers: [registry],
    collect: async () => age.set((await read())?.ageSeconds ?? 0),
  });
}

const ROWS: readonly Definition[] = [
  {
    name: 'bellhop_runs',
    help: 'Runs that have not ended, by status.',
    labels: ['status'],
    tell: (set, { runs }) => each(runs, (status, n) => set(n, { status })),
  },
  {
    name: 'bellhop_runs_queued',
    help: 'Runs in line for a place among their user’s runs at work.',
    tell: (set, { queued }) => set(queued),
  },
  {
    name: 'bellhop_runs_waiting',
    help: 'Runs that wait for an app to be connected.',
    labels: ['app'],
    tell: (set, { waiting }) => each(waiting, (app, { runs }) => set(runs, { app })),
  },
  {
    name: 'bellhop_runs_longest_wait_seconds',
    help: 'How long the first of them has waited.',
    labels: ['app'],
    tell: (set, { waiting }) => each(waiting, (app, { longestSeconds }) => set(longestSeconds, { app })),
  },
  {
    name: 'bellhop_connect_flows_open',
    help: 'Connection flows that nobody has completed yet.',
    labels: ['app'],
    tell: (set, { flows }) => each(flows, (app, n) => set(n, { app })),
  },
  {
    name: 'bellhop_tool_calls_unknown',
    help: 'Tool calls of runs that have not ended whose outcome nobody knows.',
    tell: (set, { unknownCalls }) => set(unknownCalls),
  },
  {
    name: 'bellhop_deliveries_pending',
    help: 'Deliveries of notices that have not arrived.',
    labels: ['channel'],
    tell: (set, { deliveries }) => each(deliveries, (channel, { pending }) => set(pending, { channel })),
  },
  {
    name: 'bellhop_deliveries_oldest_seconds',
    help: 'Age of the oldest of them.',
    labels: ['channel'],
    tell: (set, { deliveries }) =>
      each(deliveries, (channel, { oldestSeconds }) => set(oldestSeconds, { channel })),
  },
  {
    name: 'bellhop_webhook_events_unsettled',
    help: 'Events of Composio’s webhook that were not looked into yet.',
    tell: (set, { webhookEvents }) => set(webhookEvents),
  },
  {
    name: 'bellhop_users',
    help: 'Registered users, as PostgreSQL estimates.',
    tell: (set, { users }) => set(users),
  },
];

const ofAudit =
  (pick: (audit: AuditGauges) => number): Definition['tell'] =>
  (set, { audit }) => {
    if (audit) set(pick(audit));
  };
const AUDIT: readonly Definition[] = [
  {
    name: 'bellhop_audit_running',
    help: '1 while an audit runs.',
    tell: (set, { audit }) => set(audit ? 1 : 0),
  },
  {
    name: 'bellhop_audit_users_scanned',
    help: 'Users that the running audit has looked at.',
    tell: ofAudit((audit) => audit.usersScanned),
  },
  {
    name: 'bellhop_audit_broken',
    help: 'Broken connections that it has found.',
    tell: ofAudit((audit) => audit.broken),
  },
  {
    name: 'bellhop_audit_notified',
    help: 'Users that it has had told.',
    tell: ofAudit((audit) => audit.notified),
  },
  {
    name: 'bellhop_audit_skipped',
    help: 'Users that it could not look at.',
    tell: ofAudit((audit) => audit.skipped),
  },
  {
    name: 'bellhop_audit_composio_requests',
    help: 'Requests to Composio that it has made.',
    tell: ofAudit((audit) => audit.composioRequests),
  },
  {
    name: 'bellhop_audit_started_timestamp_seconds',
    help: 'When it started.',
    tell: ofAudit((audit) => audit.startedAt),
  },
  {
    name: 'bellhop_audit_completed_timestamp_seconds',
    help: 'When an audit was last completed.',
    tell: (set, { auditCompletedAt }) => {
      if (auditCompletedAt !== null) set(auditCompletedAt);
    },
  },
];

function budget(requestsPerMinute: number): readonly Definition[] {
  const { burst, intervalUs } = budgetTerms(requestsPerMinute);
  return [
    {
      name: 'bellhop_composio_budget_burst',
      help: 'Requests that may leave back to back after a quiet time.',
      tell: (set) => set(burst),
    },
    {
      name: 'bellhop_composio_budget_free',
      help: 'Requests that may leave back to back now; at 0 they wait for their turn.',
      tell: (set, { budget: { debtUs } }) => set(Math.max(0, burst - Math.ceil(debtUs / intervalUs))),
    },
    {
      name: 'bellhop_composio_paused_seconds',
      help: 'How much longer nothing leaves because Composio said 429.',
      tell: (set, { budget: { pausedUs } }) => set(pausedUs / 1e6),
    },
  ];
}

function each<T>(values: Readonly<Record<string, T>>, visit: (key: string, value: T) => void): void {
  for (const [key, value] of Object.entries(values)) visit(key, value);
}

async function withPatience(reading: Promise<GaugeSnapshot | null>): Promise<GaugeSnapshot | null> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE_MS);
  });
  try {
    return await Promise.race([reading.catch(() => null), tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/** One read for all who ask within a moment. */
function shared<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly value: Promise<T> } | null = null;
  return () => {
    const now = performance.now();
    if (last === null || now - last.at > SHARED_MS) last = { at: now, value: read() };
    return last.value;
  };
}
