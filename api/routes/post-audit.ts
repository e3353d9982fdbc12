/** POST /v1/audits: starts an audit of all users' connections, one at a time. */
import { z } from 'zod';
import { addLogEntry } from '../../db/audit-log.ts';
import { openAudit, withdrawAudit } from '../../db/audits.ts';
import { newId } from '../../db/ids.ts';
import { asSystem } from '../../db/scope.ts';
import { AUDIT_MODES } from '../../domain/statuses.ts';
import { auditWorkflowId } from '../../workflows/messages.ts';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { auditSchema, toAuditBody } from '../schemas/audit.ts';
import { startAudit } from '../start-audit.ts';
import { isRefused, temporalUnavailable } from '../temporal-errors.ts';

export const postAuditRoute = defineRoute({
  method: 'post',
  path: '/v1/audits',
  operationId: 'createAudit',
  tag: 'Audits',
  summary: 'Start an audit',
  description:
    'Looks at the connections of all users and notifies those whose app has stopped working. `users` pages through our users; `status` asks Composio project-wide.',
  scope: 'operator',
  body: z.strictObject({ mode: z.enum(AUDIT_MODES).default('users') }).meta({ example: { mode: 'users' } }),
  bodyOptional: true,
  responses: { 202: { description: 'The audit runs.', body: auditSchema } },
  problems: ['audit_running'],
  handler: async (
    { db, temporal, taskQueue, auditTaskQueue = taskQueue },
    { body, principal, requestId, log },
  ) => {
    const id = newId();
    const entry = { by: actingKey({ principal, requestId }), details: { auditId: id, mode: body.mode } };
    const opened = await asSystem(db, async (tx) => {
      const result = await openAudit(tx, { id, mode: body.mode, workflowId: auditWorkflowId(id) });
      if (result.kind === 'opened') await addLogEntry(tx, { ...entry, action: 'audit.started' });
      return result;
    });
    if (opened.kind === 'running')
      throw new ApiProblem('audit_running', { members: { id: opened.audit.id } });
    try {
      await startAudit(temporal, auditTaskQueue, opened.audit);
    } catch (error) {
      if (isRefused(error)) {
        await asSystem(db, async (tx) => {
          await withdrawAudit(tx, id);
          await addLogEntry(tx, { ...entry, action: 'audit.refused' });
        });
        throw temporalUnavailable(error);
      }
      log.warn({ err: error, auditId: id }, 'whether an audit was started is not known; sweep will find out');
    }
    return { status: 202, body: toAuditBody(opened.audit) };
  },
});
