/**
 * The audit's pages. One activity goes through many: users by keyset, one Composio request per batch for accounts that do
 * not work, suspects gathered and read again a hundred users at a time. The cursor moves in the audit's row only once
 * everything before it is settled, so an attempt that dies repeats a little and loses nothing.
 */
import { Context } from '@temporalio/activity';
import { ComposioFailure } from '../composio/failure.ts';
import {
  type Audit,
  type AuditCounts,
  advanceAudit,
  finishAudit,
  getAudit,
  openAudit,
} from '../db/audits.ts';
import { listOpenEpisodes } from '../db/episodes.ts';
import { asSystem } from '../db/scope.ts';
import { knownUserIds, pageUserIds } from '../db/users.ts';
import { type AuditMode, type AuditStatus, BROKEN_STATUSES } from '../domain/statuses.ts';
import { toEntityId } from '../domain/user-id.ts';
import { type AuditResult, auditWorkflowId } from '../workflows/messages.ts';
import { pagesOf, settleSuspects } from './audit-suspects.ts';
import { cutToUrl } from '../domain/cut-to-url.ts';
import type { ActivityDeps } from './deps.ts';
import { goneFailure } from './failures.ts';
import { running } from './running.ts';

const USERS_PER_PAGE = 100;
/** Suspects are read again this many users at a time. */
const SUSPECTS_AT_ONCE = 100;
/** The cursor moves at least this often, so that a new attempt repeats seconds of work, not minutes. */
const PAGES_PER_STEP = 50;

type Progress = { counts: Counts; suspects: Set<string>; pages: number };
type Counts = { -readonly [K in keyof AuditCounts]: number };
const noCounts = (): Counts => ({ usersScanned: 0, broken: 0, notified: 0, skipped: 0, composioRequests: 0 });

export function createAuditActivities(deps: ActivityDeps) {
  return {
    /** @returns `opened`, also when this audit was open already; `busy` when another one runs. */
    async beginAudit({
      auditId,
      mode,
    }: {
      auditId: string;
      mode: AuditMode;
    }): Promise<'opened' | 'busy' | 'ended'> {
      return running(async () => {
        const { workflowExecution } = Context.current().info;
        const workflowId = workflowExecution?.workflowId ?? auditWorkflowId(auditId);
        const opened = await asSystem(deps.db, (tx) => openAudit(tx, { id: auditId, mode, workflowId }));
        if (opened.kind === 'running') return 'busy';
        return opened.audit.status === 'running' ? 'opened' : 'ended';
      });
    },

    async auditUsers({ auditId }: { auditId: string }): Promise<void> {
      let scanned = 0;
      await running(
        async ({ cancellationSignal: signal }) => {
          for (;;) {
            signal.throwIfAborted();
            const audit = await asSystem(deps.db, (tx) => getAudit(tx, auditId));
            if (!audit) throw goneFailure('audit');
            scanned = audit.usersScanned;
            if (audit.status !== 'running' || audit.cursor === DONE) return;
            await (audit.mode === 'users'
              ? stepByUsers(deps, audit, signal)
              : stepByStatus(deps, audit, signal));
          }
        },
        () => ({ usersScanned: scanned }),
      );
    },

    async endAudit({
      auditId,
      status,
    }: {
      auditId: string;
      status: Exclude<AuditStatus, 'running'>;
    }): Promise<AuditResult> {
      return running(async () => {
        const audit = await asSystem(deps.db, async (tx) => {
          await finishAudit(tx, auditId, status);
          return getAudit(tx, auditId);
        });
        if (!audit) throw goneFailure('audit');
        const { usersScanned, broken, notified, skipped } = audit;
        return { status: audit.status, usersScanned, broken, notified, skipped };
      });
    },
  };
}

/** A cursor that no user id can be: all users are behind it. */
const DONE = '\u{10FFFF}';

/** Goes on from the cursor for some pages, settles their suspects, and moves the cursor. */
async function stepByUsers(deps: ActivityDeps, audit: Audit, signal: AbortSignal): Promise<void> {
  const progress: Progress = { counts: noCounts(), suspects: new Set(), pages: 0 };
  let cursor: string | null = audit.cursor;
  while (cursor !== DONE && progress.pages < PAGES_PER_STEP && progress.suspects.size < SUSPECTS_AT_ONCE) {
    signal.throwIfAborted();
    const after: string | null = cursor;
    const ids = cutToUrl(await asSystem(deps.db, (tx) => pageUserIds(tx, { after, limit: USERS_PER_PAGE })));
    if (ids.length === 0) {
      cursor = DONE;
      break;
    }
    await findSuspects(deps, ids, progress, signal);
    progress.pages += 1;
    progress.counts.usersScanned += ids.length;
    cursor = ids.at(-1) ?? DONE;
  }
  await settle(deps, progress, signal);
  await advance(deps, audit, cursor, progress.counts);
}

/** One batch of users. A batch that Composio refuses is halved until the user it refuses stands alone: that one is skipped. */
async function findSuspects(
  deps: ActivityDeps,
  ids: readonly string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const known = new Set(ids);
  const options = { signal, isPatient: true, onRequest: () => (progress.counts.composioRequests += 1) };
  try {
    for await (const page of pagesOf(
      deps.composio,
      { entityIds: ids.map(toEntityId), statuses: BROKEN_STATUSES },
      options,
    )) {
      for (const account of page) if (known.has(account.entityId)) progress.suspects.add(account.entityId);
    }
  } catch (error) {
    if (
      !(error instanceof ComposioFailure) ||
      (error.kind !== 'rejected' && error.kind !== 'invalid_arguments')
    )
      throw error;
    if (ids.length === 1) {
      progress.counts.skipped += 1;
      return;
    }
    const middle = Math.ceil(ids.length / 2);
    await findSuspects(deps, ids.slice(0, middle), progress, signal);
    await findSuspects(deps, ids.slice(middle), progress, signal);
    return;
  }
  // Who has an open episode and is not shown as broken may have been mended: read again, and closed if so.
  for (const { userId } of await asSystem(deps.db, (tx) => listOpenEpisodes(tx, ids)))
    progress.suspects.add(userId);
}

/** The whole project by status: costs what is broken, not what there is. Users of ours only. */
async function stepByStatus(deps: ActivityDeps, audit: Audit, signal: AbortSignal): Promise<void> {
  const progress: Progress = { counts: noCounts(), suspects: new Set(), pages: 0 };
  const options = { signal, isPatient: true, onRequest: () => (progress.counts.composioRequests += 1) };
  for await (const page of pagesOf(deps.composio, { statuses: BROKEN_STATUSES }, options)) {
    const ids = [...new Set(page.map((account) => account.entityId))];
    for (const userId of await asSystem(deps.db, (tx) => knownUserIds(tx, ids)))
      progress.suspects.add(userId);
    signal.throwIfAborted();
  }
  for (const { userId } of await asSystem(deps.db, (tx) => listOpenEpisodes(tx, null)))
    progress.suspects.add(userId);
  progress.counts.usersScanned = progress.suspects.size;
  await settle(deps, progress, signal);
  await advance(deps, audit, DONE, progress.counts);
}

async function settle(deps: ActivityDeps, progress: Progress, signal: AbortSignal): Promise<void> {
  const options = { signal, isPatient: true, onRequest: () => (progress.counts.composioRequests += 1) };
  const suspects = [...progress.suspects].sort();
  while (suspects.length > 0) {
    const ids = cutToUrl(suspects.slice(0, SUSPECTS_AT_ONCE));
    suspects.splice(0, ids.length);
    const { broken, notified } = await settleSuspects(deps, ids, options);
    progress.counts.broken += broken;
    progress.counts.notified += notified;
    signal.throwIfAborted();
  }
}

async function advance(
  deps: ActivityDeps,
  audit: Audit,
  to: string | null,
  counts: AuditCounts,
): Promise<void> {
  await asSystem(deps.db, (tx) => advanceAudit(tx, audit.id, { from: audit.cursor, to, counts }));
}
