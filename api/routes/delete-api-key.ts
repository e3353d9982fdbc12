/** DELETE /v1/api-keys/{keyId}: the key is dead within five seconds, in every API process (stored-keys.ts). */
import { z } from 'zod';
import { deleteApiKey } from '../../db/api-keys.ts';
import { addLogEntry } from '../../db/audit-log.ts';
import { asSystem } from '../../db/scope.ts';
import { actingKey } from '../acting-key.ts';
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
  handler: async ({ db }, { params, principal, requestId }) => {
    await asSystem(db, async (tx) => {
      const gone = await deleteApiKey(tx, params.keyId);
      if (!gone) throw new ApiProblem('not_found');
      await addLogEntry(tx, {
        by: actingKey({ principal, requestId }),
        action: 'api_key.deleted',
        details: { keyId: gone.id, name: gone.name },
      });
    });
    return { status: 204 };
  },
});
