/** GET /v1/users/{userId}/connections: for a settings page. Fresh from Composio, else what was last seen, said so. */
import { z } from 'zod';
import { defineRoute } from '../define-route.ts';
import { requireUser } from '../require-user.ts';
import { userIdInPath } from '../schemas/common.ts';
import { connectionSchema } from '../schemas/connection.ts';
import { readConnections } from '../user-connections.ts';

export const listConnectionsRoute = defineRoute({
  method: 'get',
  path: '/v1/users/{userId}/connections',
  operationId: 'listConnections',
  tag: 'Connections',
  summary: "List a user's connections",
  scope: 'runs',
  params: z.strictObject({ userId: userIdInPath }),
  responses: {
    200: {
      description: 'All accounts of the user, by app.',
      body: z.strictObject({
        items: z.array(connectionSchema),
        nextCursor: z.null(),
        stale: z
          .literal(true)
          .optional()
          .meta({ description: 'Composio did not answer: this is the state last seen.' }),
      }),
    },
  },
  problems: ['user_unknown', 'user_erasing'],
  handler: async (deps, { params, log }) => {
    const { userId } = await requireUser(deps.db, params.userId);
    const { items, stale } = await readConnections(deps, userId, { fresh: true, log });
    return { status: 200, body: { items, nextCursor: null, ...(stale ? { stale: true as const } : {}) } };
  },
});
