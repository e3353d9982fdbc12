/** PUT /v1/users/{userId}: registers a user, and with it the Composio entity, at sign-up. Composio is not called. */
import { z } from 'zod';
import { forUser } from '../../db/scope.ts';
import { putUser } from '../../db/users.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { newUserId } from '../schemas/common.ts';
import { toUserBody, userFields, userSchema } from '../schemas/user.ts';

export const putUserRoute = defineRoute({
  method: 'put',
  path: '/v1/users/{userId}',
  operationId: 'putUser',
  tag: 'Users',
  summary: 'Register a user',
  description:
    'Registers a user ahead of any use, at sign-up, or updates the fields that are given. The user id is the Composio entity id; Composio needs no call for it, so this works while Composio is down.',
  scope: 'runs',
  params: z.strictObject({ userId: newUserId }),
  body: userFields,
  bodyOptional: true,
  responses: {
    200: { description: 'The user was known.', body: userSchema },
    201: { description: 'The user is new.', body: userSchema },
  },
  problems: ['user_erasing'],
  handler: async ({ db }, { params, body }) => {
    const { user, isNew } = await forUser(db, params.userId, async (tx) => {
      const put = await putUser(tx, params.userId, {
        ...(body.email === undefined ? {} : { email: body.email }),
        ...(body.displayName === undefined ? {} : { displayName: body.displayName }),
        ...(body.metadata === undefined ? {} : { metadata: body.metadata as never }),
      });
      // Thrown, so that what was put is not.
      if (put.user.isErasing) throw new ApiProblem('user_erasing');
      return put;
    });
    return isNew ? { status: 201, body: toUserBody(user) } : { status: 200, body: toUserBody(user) };
  },
});
