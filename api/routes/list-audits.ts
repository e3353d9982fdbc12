/** GET /v1/audits: newest first. */
import { listAudits } from '../../db/audits.ts';
import { asSystem } from '../../db/scope.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { auditSchema, toAuditBody } from '../schemas/audit.ts';
import { pageOf, pageQuery } from '../schemas/common.ts';

export const listAuditsRoute = defineRoute({
  method: 'get',
  path: '/v1/audits',
  operationId: 'listAudits',
  tag: 'Audits',
  summary: 'List audits',
  scope: 'operator',
  query: pageQuery,
  responses: { 200: { description: 'A page of audits, newest first.', body: pageOf(auditSchema) } },
  handler: async ({ db }, { query }) => {
    const key = decodeCursor('audits', ['time', 'id'], query.cursor);
    const before = key ? { startedAt: key[0] ?? '', id: key[1] ?? '' } : null;
    const rows = await asSystem(db, (tx) => listAudits(tx, { before, limit: query.limit + 1 }));
    const page = toPage('audits', rows, query.limit, (row) => [row.startedAtText, row.audit.id]);
    return {
      status: 200,
      body: { items: page.items.map((row) => toAuditBody(row.audit)), nextCursor: page.nextCursor },
    };
  },
});
