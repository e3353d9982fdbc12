/** POST /v1/api-keys: makes a key. It is shown in this answer and nowhere else; what is stored is its digest. */
import { addApiKey } from '../../db/api-keys.ts';
import { addLogEntry } from '../../db/audit-log.ts';
import { newId, newSecret, sha256 } from '../../db/ids.ts';
import { asSystem } from '../../db/scope.ts';
import { actingKey } from '../acting-key.ts';
import { defineRoute } from '../define-route.ts';
import { madeApiKeySchema, newApiKeySchema, toApiKeyBody } from '../schemas/api-key.ts';

/** Scanners of source code find leaked keys by it. */
const PREFIX = 'bh_';

export const postApiKeyRoute = defineRoute({
  method: 'post',
  path: '/v1/api-keys',
  operationId: 'createApiKey',
  tag: 'Keys and records',
  summary: 'Make an API key',
  description:
    'Any number of keys live side by side: to rotate one, make the next, use it everywhere, delete the old one.',
  scope: 'admin',
  body: newApiKeySchema,
  responses: { 201: { description: 'The key, shown this once.', body: madeApiKeySchema } },
  handler: async ({ db }, { body, principal, requestId }) => {
    const key = `${PREFIX}${newSecret()}`;
    const made = await asSystem(db, async (tx) => {
      const added = await addApiKey(tx, { id: newId(), ...body, hash: sha256(key) });
      await addLogEntry(tx, {
        by: actingKey({ principal, requestId }),
        action: 'api_key.created',
        details: { keyId: added.id, name: added.name, scopes: added.scopes.join(' ') },
      });
      return added;
    });
    return { status: 201, body: { ...toApiKeyBody(made), key } };
  },
});
