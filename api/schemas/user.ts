/** Users, as the API takes and shows them. */
import { z } from 'zod';
import type { User } from '../../db/users.ts';
import { metadata, shortText, storedMetadata, time, toTime } from './common.ts';

const EMAIL =
  /^[A-Za-z0-9_'+-]+(\.[A-Za-z0-9_'+-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/;

export const userFields = z
  .strictObject({
    // 254 octets is the longest address that mail can be sent to, 64 its part before the @, 63 a label behind it.
    email: z
      .email({ pattern: EMAIL })
      .max(254)
      .refine((address) => address.indexOf('@') <= 64, 'must have at most 64 characters before the @')
      .nullish()
      .meta({ description: 'For mail notices. null takes it away.', example: 'alice@example.com' }),
    displayName: shortText(200)
      .nullish()
      .meta({ description: 'Shown on the connect page.', example: 'Alice' }),
    metadata: metadata.optional(),
  })
  .meta({ example: { email: 'alice@example.com', displayName: 'Alice' } });

export const userSchema = z
  .strictObject({
    userId: z.string(),
    email: z.string().nullable(),
    displayName: z.string().nullable(),
    metadata: storedMetadata,
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'User' });

export function toUserBody(user: User): z.input<typeof userSchema> {
  return {
    userId: user.userId,
    email: user.email,
    displayName: user.displayName,
    metadata: { ...user.metadata },
    createdAt: toTime(user.createdAt),
    updatedAt: toTime(user.updatedAt),
  };
}
