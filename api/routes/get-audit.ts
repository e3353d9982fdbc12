/** GET /v1/audits/{auditId}. */
import { z } from 'zod';
import { getAudit, listSkipped } from '../../db/audits.ts';
import { asSystem } from '../../db/scope.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { SKIPPED_SHOWN, auditDetailSchema, toAuditBody } from '../schemas/audit.ts';
import { id } from '../schemas/common.ts';

export const getAuditRoute = defineRoute({
  method: 'get',
  path: '/v1/audits/{auditId}',
  operationId: 'getAudit',
  tag: 'Audits',
  summary: 'Read an audit',
  scope: 'operator',
  params: z.strictObject({ auditId: id('audit') }),
  responses: { 200: { description: 'The audit.', body: auditDetailSchema } },
  problems: ['not_found'],
  handler: async ({ db }, { params }) => {
    const { audit, skipped } = await asSystem(db, async (tx) => ({
      audit: await getAudit(tx, params.auditId),
      skipped: await listSkipped(tx, params.auditId, SKIPPED_SHOWN),
    }));
    if (!audit) throw new ApiProblem('not_found');
    return { status: 200, body: { ...toAuditBody(audit), skippedUsers: [...skipped] } };
  },
});
