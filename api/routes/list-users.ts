/** GET /v1/users: all users, in the order of their ids. */
import { asSystem } from '../../db/scope.ts';
import { listUsers } from '../../db/users.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { pageOf, pageQuery } from '../schemas/common.ts';
import { toUserBody, userSchema } from '../schemas/user.ts';

export const listUsersRoute = defineRoute({
  method: 'get',
  path: '/v1/users',
  operationId: 'listUsers',
  tag: 'Users',
  summary: 'List users',
  scope: 'runs',
  query: pageQuery,
  responses: { 200: { description: 'A page of users, by user id.', body: pageOf(userSchema) } },
  handler: async ({ db }, { query }) => {
    const [after] = decodeCursor('users', ['id'], query.cursor) ?? [];
    const rows = await asSystem(db, (tx) => listUsers(tx, { after: after ?? null, limit: query.limit + 1 }));
    const page = toPage('users', rows, query.limit, (user) => [user.userId]);
    return { status: 200, body: { items: page.items.map(toUserBody), nextCursor: page.nextCursor } };
  },
});
