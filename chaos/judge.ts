/** From a record to a judgement: all checks, and the counts that the report prints. Pure. */
import { findToken } from './cast.ts';
import { checkCrossUser } from './checks/cross-user.ts';
import { checkDuplicates } from './checks/duplicates.ts';
import { type Explained, explainUnknown } from './checks/explain.ts';
import { checkFailedRuns } from './checks/failed-runs.ts';
import { checkLost } from './checks/lost.ts';
import { checkNotices, countPending } from './checks/notices.ts';
import { checkOutcomes } from './checks/outcomes.ts';
import { KINDS, type Kind, type Violation } from './checks/violation.ts';
import type { Fault } from './fault.ts';
import { type Record as Log, type RunInfo, groupBy } from './record.ts';
import { type Recovery, measureRecovery } from './recovery.ts';

type Counts = Readonly<Record<string, number>>;

export type Judgement = {
  readonly info: RunInfo;
  readonly violations: readonly Violation[];
  readonly found: Readonly<Record<Kind, number>>;
  readonly effects: { readonly writes: number; readonly reads: number };
  readonly kills: Counts;
  readonly disturbances: Counts;
  readonly skipped: number;
  /** Ends of a server that answered nothing any more. */
  readonly silent: number;
  readonly runs: Counts;
  readonly errors: Counts;
  readonly calls: Counts;
  readonly unknown: {
    readonly happened: number;
    readonly explained: Counts;
    readonly unexplained: readonly string[];
  };
  readonly operations: Counts;
  readonly notices: {
    readonly arrivals: number;
    readonly told: number;
    readonly pending: number;
    readonly outdated: number;
  };
  readonly episodes: number;
  readonly modelRequests: number;
  readonly recovery: readonly Recovery[];
  readonly isSettled: boolean;
};

export function judge(log: Log): Judgement {
  const violations = [
    ...checkDuplicates(log),
    ...checkCrossUser(log),
    ...checkLost(log),
    ...checkOutcomes(log),
    ...checkNotices(log),
    ...checkFailedRuns(log),
  ];
  const faults = log.entries.filter((entry) => entry.is === 'fault');
  const begun = faults.filter(({ phase }) => phase === 'begin').map(({ fault }) => fault);
  const explained = explainUnknown(log);
  return {
    info: log.info,
    violations,
    found: Object.fromEntries(
      KINDS.map((kind) => [kind, violations.filter((violation) => violation.kind === kind).length]),
    ) as Readonly<Record<Kind, number>>,
    effects: {
      writes: log.effects.filter((effect) => !effect.readOnly).length,
      reads: log.effects.filter((effect) => effect.readOnly).length,
    },
    kills: count(begun, (fault) => (fault.kind === 'kill' ? fault.part : null)),
    disturbances: count(begun, nameOf),
    skipped: faults.filter(({ phase }) => phase === 'skipped').length,
    silent: log.entries.filter((entry) => entry.is === 'process' && entry.what === 'silent').length,
    runs: count(log.runs, ({ status }) => status),
    errors: count(log.runs, ({ error }) => error),
    calls: count(log.calls, ({ status }) => status),
    unknown: summariseUnknown(log, explained),
    operations: count(log.entries, (entry) => (entry.is === 'op' ? `${entry.op} ${entry.phase}` : null)),
    notices: {
      arrivals: log.arrivals.length,
      told: new Set(log.arrivals.filter(({ answered }) => answered === 204).map(({ id }) => id)).size,
      pending: countPending(log),
      outdated: log.notices.filter(({ delivery }) => delivery === 'skipped').length,
    },
    episodes: log.episodes.length,
    modelRequests: log.modelRequests.length,
    recovery: measureRecovery(log),
    isSettled: log.entries.some((entry) => entry.is === 'stage' && entry.what === 'settled'),
  };
}

function nameOf(fault: Fault): string | null {
  switch (fault.kind) {
    case 'kill':
      return null;
    case 'link':
      return `link ${fault.fault.how}`;
    case 'composio':
      return `composio ${fault.action.type}`;
    case 'model':
      return `model ${fault.fault.kind}`;
    case 'break':
      return `break ${fault.how}`;
    case 'blackout':
    case 'freeze':
    case 'deploy':
      return fault.kind;
  }
}

function summariseUnknown(log: Log, explained: readonly Explained[]): Judgement['unknown'] {
  const happened = new Set(log.effects.map((effect) => findToken(JSON.stringify(effect.arguments))?.token));
  return {
    happened: explained.filter(({ call }) => call.token !== null && happened.has(call.token)).length,
    explained: count(explained, ({ cause }) => cause),
    unexplained: explained
      .filter(({ cause }) => cause === null)
      .map(({ call }) => `${call.token} (${call.tool}, run ${call.runId}): ${call.error}`),
  };
}

function count<T>(items: readonly T[], name: (item: T) => string | null): Counts {
  const groups = [...groupBy(items, name)].map(([key, same]) => [key, same.length] as const);
  return Object.fromEntries(groups.sort((a, b) => b[1] - a[1]));
}
