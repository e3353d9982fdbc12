/** POST /v1/users/{userId}/connections: opens the flow of a user and app, or gives the one that is open. */
import { z } from 'zod';
import { defineRoute } from '../define-route.ts';
import { openConnection } from '../open-connection.ts';
import { ApiProblem } from '../problem-codes.ts';
import { requireUser } from '../require-user.ts';
import { userIdInPath } from '../schemas/common.ts';
import { alreadyConnectedSchema, flowSchema, newFlowSchema, toFlowBody } from '../schemas/connection.ts';

export const postConnectionRoute = defineRoute({
  method: 'post',
  path: '/v1/users/{userId}/connections',
  operationId: 'createConnection',
  tag: 'Connections',
  summary: 'Connect an app',
  description:
    'Opens a connection flow and gives its `connectUrl`, to show to the user. One flow is open per user and app: a second call gives the same one.',
  scope: 'runs',
  params: z.strictObject({ userId: userIdInPath }),
  body: newFlowSchema,
  responses: {
    200: {
      description:
        'The flow that is open already; or, when the app is connected and `reconnect` was not asked for, its account.',
      body: z.union([flowSchema, alreadyConnectedSchema]),
    },
    201: { description: 'A new flow.', body: flowSchema },
  },
  problems: [
    'user_unknown',
    'user_erasing',
    'app_unknown',
    'app_needs_no_connection',
    'return_url_not_allowed',
  ],
  handler: async (deps, { params, body }) => {
    const { userId } = await requireUser(deps.db, params.userId);
    const { app, reconnect = false, returnUrl = null } = body;
    if (returnUrl !== null && !deps.connect.returnUrls.includes(returnUrl))
      throw new ApiProblem('return_url_not_allowed');
    const opened = await openConnection(deps, userId, { app, reconnect, returnUrl });
    if (opened.kind === 'connected')
      return { status: 200, body: { app, status: 'completed' as const, accountId: opened.accountId } };
    const answer = toFlowBody(opened.flow, opened.lastAttempt, deps.publicUrl);
    return opened.isNew ? { status: 201, body: answer } : { status: 200, body: answer };
  },
});
