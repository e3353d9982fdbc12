/** POST /v1/audits/{auditId}/cancel. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { z } from 'zod';
import { addLogEntry } from '../../db/audit-log.ts';
import { finishAudit, getAudit } from '../../db/audits.ts';
import { asSystem } from '../../db/scope.ts';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { auditSchema, toAuditBody } from '../schemas/audit.ts';
import { id } from '../schemas/common.ts';
import { temporalUnavailable } from '../temporal-errors.ts';

// An operator waits for this; a cancel is answered in milliseconds.
const DEADLINE_MS = 5_000;

export const cancelAuditRoute = defineRoute({
  method: 'post',
  path: '/v1/audits/{auditId}/cancel',
  operationId: 'cancelAudit',
  tag: 'Audits',
  summary: 'Cancel an audit',
  description: 'Idempotent. What was found so far stays, and those users stay notified.',
  scope: 'operator',
  params: z.strictObject({ auditId: id('audit') }),
  responses: { 202: { description: 'The audit; it ends soon, or has ended.', body: auditSchema } },
  problems: ['not_found'],
  handler: async ({ db, temporal }, { params, principal, requestId }) => {
    const read = async () => {
      const audit = await asSystem(db, (tx) => getAudit(tx, params.auditId));
      if (!audit) throw new ApiProblem('not_found');
      return audit;
    };
    const audit = await read();
    if (audit.status !== 'running') return { status: 202, body: toAuditBody(audit) };
    const by = actingKey({ principal, requestId });
    await asSystem(db, (tx) =>
      addLogEntry(tx, { by, action: 'audit.cancel_requested', details: { auditId: audit.id } }),
    );
    try {
      await temporal.withDeadline(Date.now() + DEADLINE_MS, async () => {
        await temporal.workflow.getHandle(audit.workflowId).cancel();
      });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw temporalUnavailable(error);
      // Temporal no longer knows it: nobody else would ever end the row.
      await asSystem(db, (tx) => finishAudit(tx, audit.id, 'cancelled'));
    }
    return { status: 202, body: toAuditBody(await read()) };
  },
});
