/** The audit's workflow, as the API starts it. */
import type { Client } from '@temporalio/client';
import type { Audit } from '../db/audits.ts';
import { labelAudit } from '../domain/workflow-labels.ts';
import type { AuditInput } from '../workflows/messages.ts';
import { AUDIT_CONNECTIONS, WORKFLOW_TASK_TIMEOUT } from '../workflows/messages.ts';

// A start is answered in milliseconds; an operator should not wait longer than this for an outage.
const DEADLINE_MS = 5_000;

export async function startAudit(temporal: Client, taskQueue: string, audit: Audit): Promise<void> {
  const input: AuditInput = { auditId: audit.id, mode: audit.mode };
  await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
    await temporal.workflow.start(AUDIT_CONNECTIONS, {
      workflowId: audit.workflowId,
      taskQueue,
      args: [input],
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      workflowIdConflictPolicy: 'USE_EXISTING',
      ...labelAudit(audit),
    });
  });
}
