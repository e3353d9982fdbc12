/** DELETE /v1/api-keys/{keyId}: the key is dead within five seconds, in every API process (stored-keys.ts). */
import { z } from 'zod';
import { deleteApiKey } from '../../db/api-keys.ts';
import { asSystem } from '../../db/scope.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { id } from '../schemas/common.ts';

export const deleteApiKeyRoute = defineRoute({
  method: 'delete',
  path: '/v1/api-keys/{keyId}',
  operationId: 'deleteApiKey',
  tag: 'Keys and records',
  summary: 'Revoke an API key',
  description: 'It stops working within five seconds everywhere.',
  scope: 'admin',
  params: z.strictObject({ keyId: id('API key') }),
  responses: { 204: { description: 'It is gone.' } },
  problems: ['not_found'],
  handler: async ({ db }, { params }) => {
    const gone = await asSystem(db, (tx) => deleteApiKey(tx, params.keyId));
    if (!gone) throw new ApiProblem('not_found');
    return { status: 204 };
  },
});
