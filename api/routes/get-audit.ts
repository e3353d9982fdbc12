/** GET /v1/audits/{auditId}. */
import { z } from 'zod';
import { getAudit } from '../../db/audits.ts';
import { asSystem } from '../../db/scope.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { auditSchema, toAuditBody } from '../schemas/audit.ts';
import { id } from '../schemas/common.ts';

export const getAuditRoute = defineRoute({
  method: 'get',
  path: '/v1/audits/{auditId}',
  operationId: 'getAudit',
  tag: 'Audits',
  summary: 'Read an audit',
  scope: 'operator',
  params: z.strictObject({ auditId: id('audit') }),
  responses: { 200: { description: 'The audit.', body: auditSchema } },
  problems: ['not_found'],
  handler: async ({ db }, { params }) => {
    const audit = await asSystem(db, (tx) => getAudit(tx, params.auditId));
    if (!audit) throw new ApiProblem('not_found');
    return { status: 200, body: toAuditBody(audit) };
  },
});
