/** What an audit has counted since its cursor last moved. The cursor, the counts and who was skipped are written together, or not at all. */
import { type Audit, type AuditCounts, advanceAudit } from '../db/audits.ts';
import type { Database } from '../db/pool.ts';
import { asSystem } from '../db/scope.ts';
import type { SkipReason } from '../domain/statuses.ts';
import type { PageOptions } from './account-pages.ts';
import type { Unreadable } from './read-accounts.ts';

export type AuditWindow = {
  readonly auditId: string;
  readonly counts: { -readonly [K in Exclude<keyof AuditCounts, 'skipped'>]: number };
  readonly skipped: ReadonlyMap<string, SkipReason>;
  readonly skip: (users: readonly Unreadable[]) => void;
  /** Somebody who could not even be named. */
  readonly skipUnnamed: () => void;
  /** For its questions to Composio: it waits out limits, and counts. */
  readonly options: PageOptions;
  /** The same, ending with another signal. */
  readonly withSignal: (signal: AbortSignal) => PageOptions;
  /** Moves the cursor from where the audit was read. @returns false when another attempt was quicker: then nothing is counted. */
  readonly moveTo: (cursor: string) => Promise<boolean>;
};

export function openWindow(
  db: Database,
  audit: Audit,
  { signal, onScanned }: { signal: AbortSignal; onScanned: (users: number) => void },
): AuditWindow {
  const counts = { usersScanned: 0, broken: 0, notified: 0, composioRequests: 0 };
  const skipped = new Map<string, SkipReason>();
  let unnamed = 0;
  const withSignal = (pieceSignal: AbortSignal): PageOptions => ({
    signal: pieceSignal,
    isPatient: true,
    onRequest: () => {
      counts.composioRequests += 1;
      onScanned(counts.usersScanned);
    },
  });
  return {
    auditId: audit.id,
    counts,
    skipped,
    skip(users) {
      for (const { userId, reason } of users) skipped.set(userId, reason);
    },
    skipUnnamed() {
      unnamed += 1;
    },
    options: withSignal(signal),
    withSignal,
    moveTo: (cursor) =>
      asSystem(db, (tx) =>
        advanceAudit(tx, audit.id, {
          from: audit.cursor,
          to: cursor,
          counts: { ...counts, skipped: skipped.size + unnamed },
          skipped: [...skipped].map(([userId, reason]) => ({ userId, reason })),
        }),
      ),
  };
}
