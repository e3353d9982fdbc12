/**
 * Retention: batch after batch of what is over and old, then the space of it. An attempt that dies has lost nothing, for
 * each batch is a transaction; the next attempt, or tomorrow's pass, goes on.
 */
import {
  type DeleteBatch,
  deleteEmptyThreads,
  deleteOldAudits,
  deleteOldEndedSessions,
  deleteOldEpisodes,
  deleteOldEvents,
  deleteOldFlows,
  deleteOldIdempotencyKeys,
  deleteOldNotices,
  deleteOldPortalLinks,
  deleteOldRuns,
} from '../db/retention.ts';
import { asSystem } from '../db/scope.ts';
import { vacuum } from '../db/vacuum.ts';
import type { Retention } from '../domain/retention.ts';
import type { ActivityDeps } from './deps.ts';
import { running } from './running.ts';

/** Runs with their messages and events are some ten thousand rows: well below a second. */
const BATCH = 200;
/** Twice their lifetime (24 hours): nobody's repetition is near. */
const IDEMPOTENCY_KEYS_MS = 48 * 3_600_000;
/** Far above the 35 minutes and the 8 hours for which their cookies hold. */
const SESSIONS_MS = 24 * 3_600_000;

type Part = {
  readonly name:
    | 'runs'
    | 'threads'
    | 'events'
    | 'notices'
    | 'flows'
    | 'episodes'
    | 'audits'
    | 'keys'
    | 'links'
    | 'sessions';
  readonly delete: DeleteBatch;
  readonly keptMs: (retention: Retention) => number | null;
  /** Whose space is given back. */
  readonly tables: readonly string[];
};

const TRANSCRIPT = ['runs', 'messages', 'tool_calls', 'approvals', 'run_events', 'flow_waiters'];
const PARTS: readonly Part[] = [
  { name: 'runs', delete: deleteOldRuns, keptMs: (r) => r.runsMs, tables: TRANSCRIPT },
  { name: 'threads', delete: deleteEmptyThreads, keptMs: (r) => r.runsMs, tables: ['threads'] },
  { name: 'events', delete: deleteOldEvents, keptMs: (r) => r.eventsMs, tables: ['run_events'] },
  {
    name: 'notices',
    delete: deleteOldNotices,
    keptMs: (r) => r.deliveriesMs,
    tables: ['notices', 'deliveries'],
  },
  {
    name: 'flows',
    delete: deleteOldFlows,
    keptMs: (r) => r.flowsMs,
    tables: ['connection_flows', 'connection_attempts', 'flow_waiters'],
  },
  { name: 'episodes', delete: deleteOldEpisodes, keptMs: (r) => r.flowsMs, tables: ['connection_episodes'] },
  { name: 'audits', delete: deleteOldAudits, keptMs: (r) => r.auditsMs, tables: ['audits', 'audit_skips'] },
  {
    name: 'keys',
    delete: deleteOldIdempotencyKeys,
    keptMs: () => IDEMPOTENCY_KEYS_MS,
    tables: ['idempotency_keys'],
  },
  { name: 'links', delete: deleteOldPortalLinks, keptMs: () => SESSIONS_MS, tables: ['portal_links'] },
  { name: 'sessions', delete: deleteOldEndedSessions, keptMs: () => SESSIONS_MS, tables: ['ended_sessions'] },
];

export type RetentionResult = Readonly<Record<Part['name'], number>>;

export function createRetentionActivities({ db, settings }: Pick<ActivityDeps, 'db' | 'settings'>) {
  return {
    /** @returns how many went of each kind. */
    async applyRetention(): Promise<RetentionResult> {
      return running(async ({ cancellationSignal: signal }) => {
        const gone: Record<Part['name'], number> = {
          runs: 0,
          threads: 0,
          events: 0,
          notices: 0,
          flows: 0,
          episodes: 0,
          audits: 0,
          keys: 0,
          links: 0,
          sessions: 0,
        };
        const touched = new Set<string>();
        for (const part of PARTS) {
          const olderThanMs = part.keptMs(settings.retention);
          if (olderThanMs === null) continue;
          for (let n = BATCH; n === BATCH;) {
            signal.throwIfAborted();
            n = await asSystem(db, (tx) => part.delete(tx, { olderThanMs, limit: BATCH }));
            gone[part.name] += n;
          }
          if (gone[part.name] > 0) for (const table of part.tables) touched.add(table);
        }
        await vacuum(db, [...touched]);
        return gone;
      });
    },
  };
}
