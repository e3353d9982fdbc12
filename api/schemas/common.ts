/** Parts that many routes share: ids, times, durations, pages of lists. */
import { z } from 'zod';
import { DURATION_PATTERN, parseDuration } from '../../domain/duration.ts';
import { USER_ID_PATTERN, isUserId } from '../../domain/user-id.ts';

/** A user id that may be registered. */
export const newUserId = z
  .string()
  .regex(USER_ID_PATTERN, 'must be 1 to 128 of A-Z a-z 0-9 . _ ~ @ -')
  .refine(isUserId, 'is reserved')
  .meta({
    description: "The integrator's own id of the user, and the Composio entity id. `default` is refused.",
    example: 'alice',
  });

/**
 * Names of what must exist already. A longer one than any of ours names nothing, which is 404 and not 400; the document
 * says what can exist, so that a client that keeps to it never meets the limit of a request line (431).
 */
const MOST_IN_A_PATH = 4_096;
export const MOST_THAT_EXISTS = 200;

/** A user id in a path where the user must exist already: whatever cannot be registered is simply not there. */
export const userIdInPath = z
  .string()
  .max(MOST_IN_A_PATH)
  .meta({ description: 'Id of a registered user.', example: 'alice', maxLength: MOST_THAT_EXISTS });

/** A user id that a list is narrowed to: of an unknown user there is nothing to list. */
export const userIdInQuery = z
  .string()
  .max(MOST_THAT_EXISTS)
  .meta({ description: 'Of this user only.', example: 'alice' });

/** Opaque; anything that is not one of ours names nothing. */
export const id = (what: string) =>
  z
    .string()
    .max(MOST_IN_A_PATH)
    .meta({ description: `Id of the ${what}. Opaque.`, maxLength: MOST_THAT_EXISTS });
/** The secret of a connect link. */
export const token = z
  .string()
  .max(MOST_IN_A_PATH)
  .meta({ description: 'Of the connect link. Opaque.', maxLength: MOST_THAT_EXISTS });

export const app = z
  .string()
  .regex(/^[a-z0-9_-]{1,100}$/, 'must be a toolkit slug in lower case, such as slack')
  .meta({ description: "Composio's toolkit slug in lower case.", example: 'slack' });

export const toolSlug = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,200}$/, 'must be a tool slug such as SLACK_SEND_MESSAGE')
  .meta({ description: "Composio's tool slug.", example: 'SLACK_SEND_MESSAGE' });

export const time = z
  .string()
  .meta({ format: 'date-time', description: 'RFC 3339, UTC.', example: '2026-11-21T12:00:00.000Z' });
export const toTime = (date: Date): string => date.toISOString();
export const toTimeOrNull = (date: Date | null): string | null => date?.toISOString() ?? null;

/** A duration up to `max`, parsed to milliseconds. */
export function duration({ max, example }: { max: string; example: string }) {
  const maxMs = parseDuration(max) ?? 0;
  return z
    .string()
    .regex(DURATION_PATTERN, `must be a duration such as ${example}`)
    .refine((text) => {
      const ms = parseDuration(text);
      return ms === null || (ms > 0 && ms <= maxMs);
    }, `must be more than 0 and at most ${max}`)
    .transform((text) => parseDuration(text) ?? 0)
    .meta({ description: `A duration, at most ${max}.`, example });
}

// Metadata is the integrator's small change (ids of its own, labels), returned with every read of its owner.
const METADATA_LIMIT_BYTES = 16 * 1024;
export const metadata = z
  .record(z.string().max(200), z.unknown())
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_LIMIT_BYTES,
    'must be at most 16 kB of JSON',
  )
  .meta({
    type: 'object',
    description: 'Anything of the caller, up to 16 kB of JSON; given back as it was.',
    example: { plan: 'pro' },
  });

export const storedMetadata = z
  .record(z.string(), z.unknown())
  .meta({ description: 'As the caller gave it.' });

// As the contract says.
const LIMIT = { least: 1, most: 100, usual: 20 };
export const limit = z
  .string()
  .regex(/^\d{1,4}$/, 'must be a whole number')
  .transform(Number)
  .refine((n) => n >= LIMIT.least && n <= LIMIT.most, `must be from ${LIMIT.least} to ${LIMIT.most}`)
  .default(LIMIT.usual)
  .meta({
    description: `How many items at most, ${LIMIT.least} to ${LIMIT.most}.`,
    override: { type: 'integer', minimum: LIMIT.least, maximum: LIMIT.most, default: LIMIT.usual },
  });
// A key of a list is a time and an id, or a user id: some 200 characters as a cursor.
const MOST_OF_A_CURSOR = 400;
export const cursor = z
  .string()
  .max(MOST_OF_A_CURSOR)
  .optional()
  .meta({ description: '`nextCursor` of the page before. Opaque.' });
export const pageQuery = z.strictObject({ limit, cursor });

export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    items: z.array(item),
    nextCursor: z.string().nullable().meta({ description: 'For the next page; null on the last.' }),
  });
}

/** The first words of a run, an email, a name: bounded so that a row stays a row. */
export const shortText = (most: number) => z.string().min(1).max(most);
