/**
 * The audit: goes through all users, finds each connection that has stopped working, and has each user told once. A step is
 * many pages of users, so that a page costs no history; how far it is stands in the audit's row.
 */
import {
  CancellationScope,
  continueAsNew,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { AuditActivities } from '../activities/index.ts';
import type { AuditInput, AuditResult } from './messages.ts';
import { AUDIT_POLICY, RECORD_POLICY } from './policies.ts';

const audit = proxyActivities<Pick<AuditActivities, 'auditNextUsers' | 'auditUsers'>>(AUDIT_POLICY);
const record = proxyActivities<Pick<AuditActivities, 'beginAudit' | 'endAudit'>>(RECORD_POLICY);

export async function auditConnections(input: AuditInput): Promise<AuditResult> {
  // The Schedule's audits have no row yet; the workflow's first run id is theirs.
  const auditId = input.auditId ?? workflowInfo().runId;
  try {
    const begun = await record.beginAudit.executeWithOptions({ summary: 'begin' }, [
      { auditId, mode: input.mode },
    ]);
    if (begun !== 'opened')
      return { status: 'cancelled', usersScanned: 0, broken: 0, notified: 0, skipped: 0 };

    // For each page of users: every connection of theirs that is EXPIRED or FAILED, INACTIVE or REVOKED, has its user
    // notified to reconnect that app.
    let hasMore = true;
    do {
      hasMore = await auditNext(auditId);
    } while (hasMore && !workflowInfo().continueAsNewSuggested);

    if (!hasMore) return show(await end({ auditId, status: 'completed' }));
  } catch (error) {
    const status = isCancellation(error) ? 'cancelled' : 'failed';
    const result = await CancellationScope.nonCancellable(() => end({ auditId, status }));
    if (status === 'cancelled') return show(result);
    throw error;
  }
  return continueAsNew<typeof auditConnections>({ auditId, mode: input.mode });
}

function end(as: Parameters<AuditActivities['endAudit']>[0]): ReturnType<AuditActivities['endAudit']> {
  return record.endAudit.executeWithOptions({ summary: `end: ${as.status}` }, [as]);
}

/** @returns whether there are more users. */
async function auditNext(auditId: string): Promise<boolean> {
  if (!patched('audit-in-steps')) {
    await audit.auditUsers({ auditId });
    return false;
  }
  const progress = await audit.auditNextUsers.executeWithOptions({ summary: 'next users' }, [{ auditId }]);
  show(progress);
  return !progress.isLast;
}

function show<T extends Omit<AuditResult, 'status'>>(seen: T): T {
  setCurrentDetails(
    `${seen.usersScanned} users, ${seen.broken} broken, ${seen.notified} told, ${seen.skipped} skipped`,
  );
  return seen;
}
