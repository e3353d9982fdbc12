/** GET /v1/users/{userId}. */
import { z } from 'zod';
import { defineRoute } from '../define-route.ts';
import { requireUser } from '../require-user.ts';
import { userIdInPath } from '../schemas/common.ts';
import { toUserBody, userSchema } from '../schemas/user.ts';

export const getUserRoute = defineRoute({
  method: 'get',
  path: '/v1/users/{userId}',
  operationId: 'getUser',
  tag: 'Users',
  summary: 'Read a user',
  scope: 'runs',
  params: z.strictObject({ userId: userIdInPath }),
  responses: { 200: { description: 'The user.', body: userSchema } },
  problems: ['user_unknown', 'user_erasing'],
  handler: async ({ db }, { params }) => ({
    status: 200,
    body: toUserBody(await requireUser(db, params.userId)),
  }),
});
