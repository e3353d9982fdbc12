/** DELETE /v1/users/{userId}/connections/{accountId}: takes the account away at Composio and here. */
import { z } from 'zod';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import { dropConnection } from '../drop-connection.ts';
import { requireUser } from '../require-user.ts';
import { id, userIdInPath } from '../schemas/common.ts';

export const deleteConnectionRoute = defineRoute({
  method: 'delete',
  path: '/v1/users/{userId}/connections/{accountId}',
  operationId: 'deleteConnection',
  tag: 'Connections',
  summary: 'Disconnect an account',
  description: 'Deletes the account at Composio. A run that needs it then waits for a new one.',
  scope: 'runs',
  params: z.strictObject({ userId: userIdInPath, accountId: id('connected account') }),
  responses: { 204: { description: 'It is gone.' } },
  problems: ['user_unknown', 'user_erasing', 'not_found'],
  handler: async ({ db, composio }, { params, principal, requestId }) => {
    const { userId } = await requireUser(db, params.userId);
    await dropConnection({ db, composio }, userId, params.accountId, actingKey({ principal, requestId }));
    return { status: 204 };
  },
});
