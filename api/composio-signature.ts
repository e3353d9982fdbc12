/**
 * Whether Composio sent this: Standard Webhooks with the secret used as it is (Composio does not decode it), over the bytes
 * of the body as they came. With Node's own HMAC: what a stranger sends is hashed before it is refused, and the package that
 * signs our own notices takes ten times as long for it. Reads no body and keeps nothing.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type SignedMessage = {
  readonly id: string | undefined;
  /** Unix seconds. */
  readonly timestamp: string | undefined;
  /** Space separated: while a secret is rotated there is one signature of each. */
  readonly signature: string | undefined;
  readonly body: Buffer;
};

/** Composio's own, and that of Standard Webhooks: clocks differ, and what is older may be a recording. */
const TOLERANCE_S = 300;
/** Ours is the primary key of a row; Composio's are about 30 characters. */
const MESSAGE_ID = /^[\x21-\x7e]{1,256}$/;

export function isSigned(
  { id = '', timestamp = '', signature = '', body }: SignedMessage,
  secrets: readonly string[],
  nowMs = Date.now(),
): boolean {
  if (!MESSAGE_ID.test(id) || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(Math.floor(nowMs / 1_000) - Number(timestamp)) > TOLERANCE_S) return false;
  const given = signature
    .split(' ')
    .filter((part) => part.startsWith('v1,'))
    .map((part) => Buffer.from(part.slice('v1,'.length)));
  // Each is compared in full: how long it takes says nothing about which one came near.
  const holds = secrets.map((secret) => {
    const hmac = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body);
    const expected = Buffer.from(hmac.digest('base64'));
    return (
      given.filter((part) => part.length === expected.length && timingSafeEqual(part, expected)).length > 0
    );
  });
  return holds.includes(true);
}
