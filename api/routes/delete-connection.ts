/** DELETE /v1/users/{userId}/connections/{accountId}: takes the account away at Composio and here. */
import { z } from 'zod';
import { deleteStoredConnection, listStoredConnections } from '../../db/connections.ts';
import { forUser } from '../../db/scope.ts';
import { toEntityId } from '../../domain/user-id.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { requireUser } from '../require-user.ts';
import { id, userIdInPath } from '../schemas/common.ts';

// A read and a deletion at Composio.
const COMPOSIO_DEADLINE_MS = 15_000;

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
  problems: ['user_unknown', 'not_found'],
  handler: async ({ db, composio }, { params }) => {
    const { userId } = await requireUser(db, params.userId);
    const entityId = toEntityId(userId);
    const signal = AbortSignal.timeout(COMPOSIO_DEADLINE_MS);
    const account = await composio.getConnection(params.accountId, { signal });
    // Another user's account must look exactly like one that does not exist.
    if (account && account.entityId !== entityId) throw new ApiProblem('not_found');
    if (account) await composio.forEntity(entityId).disconnect(account.id, { signal });
    await forUser(db, userId, async (tx) => {
      const isStored = (await listStoredConnections(tx, userId)).some(
        (c) => c.accountId === params.accountId,
      );
      if (!account && !isStored) throw new ApiProblem('not_found');
      await deleteStoredConnection(tx, userId, params.accountId);
    });
    return { status: 204 };
  },
});
