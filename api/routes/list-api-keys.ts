/** GET /v1/api-keys: newest first. */
import { listApiKeys } from '../../db/api-keys.ts';
import { asSystem } from '../../db/scope.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { apiKeySchema, toApiKeyBody } from '../schemas/api-key.ts';
import { pageOf, pageQuery } from '../schemas/common.ts';

export const listApiKeysRoute = defineRoute({
  method: 'get',
  path: '/v1/api-keys',
  operationId: 'listApiKeys',
  tag: 'Keys and records',
  summary: 'List API keys',
  description: 'Those that work. The bootstrap key is none of them.',
  scope: 'admin',
  query: pageQuery,
  responses: { 200: { description: 'A page of keys, newest first.', body: pageOf(apiKeySchema) } },
  handler: async ({ db }, { query }) => {
    const key = decodeCursor('api-keys', ['time', 'id'], query.cursor);
    const before = key ? { createdAt: key[0] ?? '', id: key[1] ?? '' } : null;
    const rows = await asSystem(db, (tx) => listApiKeys(tx, { before, limit: query.limit + 1 }));
    const page = toPage('api-keys', rows, query.limit, (row) => [row.createdAtText, row.key.id]);
    return {
      status: 200,
      body: { items: page.items.map((row) => toApiKeyBody(row.key)), nextCursor: page.nextCursor },
    };
  },
});
