/**
 * The audit's work. The cursor is in the audit's row and moves only once everything before it is settled, so an attempt
 * that dies repeats seconds and loses nothing; who was told is in rows of their own, so repeating tells nobody twice.
 */
import { Context } from '@temporalio/activity';
import { finishAudit, getAudit, openAudit } from '../db/audits.ts';
import { asSystem } from '../db/scope.ts';
import type { AuditMode, AuditStatus } from '../domain/statuses.ts';
import { type AuditProgress, type AuditResult, auditWorkflowId } from '../workflows/messages.ts';
import { auditNextByStatus } from './audit-by-status.ts';
import { auditNextByUser } from './audit-by-user.ts';
import { openWindow } from './audit-window.ts';
import type { ActivityDeps } from './deps.ts';
import { goneFailure } from './failures.ts';
import { running } from './running.ts';

/** A few events of history each, and as often an operator sees how far it is; a worker that drains need not wait longer. */
const STEP_MS = 30_000;
/** A cursor that no user id can be: all users are behind it. */
const DONE = '\u{10FFFF}';

/** `stepMs`: how long a step goes on beginning windows. */
export function createAuditActivities(deps: ActivityDeps, { stepMs = STEP_MS }: { stepMs?: number } = {}) {
  /** Windows, at least one, until the audit is over or `untilMs` (of performance.now) has come. */
  async function work(auditId: string, untilMs: number): Promise<AuditProgress> {
    let scanned = 0;
    let windows = 0;
    return running(
      async ({ cancellationSignal: signal }) => {
        for (;;) {
          signal.throwIfAborted();
          const audit = await asSystem(deps.db, (tx) => getAudit(tx, auditId));
          if (!audit) throw goneFailure('audit');
          const { usersScanned, broken, notified, skipped } = audit;
          scanned = usersScanned;
          const isLast = audit.status !== 'running' || audit.cursor === DONE;
          if (isLast || (windows > 0 && performance.now() >= untilMs))
            return { usersScanned, broken, notified, skipped, isLast };
          windows += 1;
          const window = openWindow(deps.db, audit, {
            signal,
            onScanned: (users) => void (scanned = usersScanned + users),
          });
          const next = await (
            audit.mode === 'users'
              ? auditNextByUser(deps, audit, window)
              : auditNextByStatus(deps, audit, window)
          ).catch((error: unknown) => {
            // A request that was cut off by the cancellation fails in its own words.
            signal.throwIfAborted();
            throw error;
          });
          await window.moveTo(next ?? DONE);
        }
      },
      () => ({ usersScanned: scanned }),
    );
  }

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

    /** The next users, for about half a minute: whoever has an app that has stopped working is told. */
    async auditNextUsers({ auditId }: { auditId: string }): Promise<AuditProgress> {
      return work(auditId, performance.now() + stepMs);
    },

    /** All users at once, for audits that began before there were steps. */
    async auditUsers({ auditId }: { auditId: string }): Promise<void> {
      await work(auditId, Infinity);
    },

    /** The first end wins. An audit that never came to have a row has none to be ended. */
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
        if (!audit) return { status, usersScanned: 0, broken: 0, notified: 0, skipped: 0 };
        const { usersScanned, broken, notified, skipped } = audit;
        return { status: audit.status, usersScanned, broken, notified, skipped };
      });
    },
  };
}
