/** GET /v1/audit-log: who did what, newest first. */
import { z } from 'zod';
import { listLogEntries } from '../../db/audit-log.ts';
import { asSystem } from '../../db/scope.ts';
import { ADMIN_ACTIONS } from '../../domain/admin-actions.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { pageOf, pageQuery, time, toTime } from '../schemas/common.ts';

const entrySchema = z
  .strictObject({
    id: z.string(),
    at: time,
    action: z.enum(ADMIN_ACTIONS),
    keyId: z
      .string()
      .meta({ description: 'The API key that asked; `bootstrap` is that of the environment.' }),
    keyName: z.string().nullable().meta({ description: 'Its name at that time.' }),
    requestId: z.string(),
    details: z
      .record(z.string(), z.string())
      .meta({ description: 'Ids of what was acted on, and what was decided.' }),
    userId: z
      .string()
      .nullable()
      .meta({ description: 'Whom it was about; null for nobody, or for an erased user.' }),
    actor: z.string().nullable().meta({
      description:
        'Who decided, as the caller named them; null when nobody was named, or with an erased user.',
    }),
  })
  .meta({ id: 'AuditLogEntry' });

export const listAuditLogRoute = defineRoute({
  method: 'get',
  path: '/v1/audit-log',
  operationId: 'listAuditLog',
  tag: 'Keys and records',
  summary: 'List what operators and administrators did',
  description: 'Entries are added with what they tell, and never changed.',
  scope: 'admin',
  query: pageQuery,
  responses: { 200: { description: 'A page of entries, newest first.', body: pageOf(entrySchema) } },
  handler: async ({ db }, { query }) => {
    const [before = null] = decodeCursor('audit-log', ['number'], query.cursor) ?? [];
    const rows = await asSystem(db, (tx) => listLogEntries(tx, { before, limit: query.limit + 1 }));
    const page = toPage('audit-log', rows, query.limit, (entry) => [entry.id]);
    return {
      status: 200,
      body: {
        items: page.items.map((entry) => ({ ...entry, at: toTime(entry.at) })),
        nextCursor: page.nextCursor,
      },
    };
  },
});
