/** API keys, as the API shows them: never the key itself, but to whoever has just made it. */
import { z } from 'zod';
import type { ApiKey } from '../../db/api-keys.ts';
import { SCOPES } from '../../domain/scopes.ts';
import { shortText, time, toTime, toTimeOrNull } from './common.ts';

const scopes = z
  .array(z.enum(SCOPES))
  .min(1)
  .max(SCOPES.length)
  .refine((list) => new Set(list).size === list.length, 'must name each scope once')
  .meta({ description: '`admin` includes the others.', example: ['runs'] });

export const newApiKeySchema = z
  .strictObject({ name: shortText(100).meta({ description: 'For people.', example: 'backend' }), scopes })
  .meta({ id: 'NewApiKey' });

export const apiKeySchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    createdAt: time,
    lastUsedAt: time.nullable().meta({ description: 'To the minute. Null: never.' }),
  })
  .meta({ id: 'ApiKey' });

export const madeApiKeySchema = apiKeySchema
  .extend({ key: z.string().meta({ description: 'The key. It is shown this once.' }) })
  .meta({ id: 'MadeApiKey' });

export function toApiKeyBody(key: ApiKey): z.input<typeof apiKeySchema> {
  return {
    id: key.id,
    name: key.name,
    scopes: [...key.scopes],
    createdAt: toTime(key.createdAt),
    lastUsedAt: toTimeOrNull(key.lastUsedAt),
  };
}
