/**
 * The audit: goes through all users, finds each connection that has stopped working, and has each user told once. The loop
 * over pages is inside the activity, which keeps its cursor in the audit's row: a page costs no history.
 */
import {
  CancellationScope,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { AuditActivities } from '../activities/index.ts';
import type { AuditInput, AuditResult } from './messages.ts';
import { AUDIT_POLICY, RECORD_POLICY } from './policies.ts';

const audit = proxyActivities<Pick<AuditActivities, 'auditUsers'>>(AUDIT_POLICY);
const record = proxyActivities<Pick<AuditActivities, 'beginAudit' | 'endAudit'>>(RECORD_POLICY);

export async function auditConnections(input: AuditInput): Promise<AuditResult> {
  // The Schedule's audits have no row yet; the workflow's run id is theirs.
  const auditId = input.auditId ?? workflowInfo().runId;
  const begun = await record.beginAudit({ auditId, mode: input.mode });
  if (begun !== 'opened') return { status: 'cancelled', usersScanned: 0, broken: 0, notified: 0, skipped: 0 };
  try {
    await audit.auditUsers({ auditId });
    const result = await record.endAudit({ auditId, status: 'completed' });
    setCurrentDetails(
      `${result.usersScanned} users, ${result.broken} broken, ${result.notified} told, ${result.skipped} skipped`,
    );
    return result;
  } catch (error) {
    const status = isCancellation(error) ? 'cancelled' : 'failed';
    const result = await CancellationScope.nonCancellable(() => record.endAudit({ auditId, status }));
    if (status === 'cancelled') return result;
    throw error;
  }
}
