/**
 * Short-lived secrets that we hand to browsers and get back: links and cookies. Sealed, not only signed: who holds one can
 * neither read nor change it. Nothing is stored, so every API process opens what another one sealed.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** What is sealed for one purpose opens for no other. */
export const PURPOSES = ['portal-link', 'portal-session', 'console-session'] as const;
export type Purpose = (typeof PURPOSES)[number];

export type Seal = {
  seal(content: Readonly<Record<string, unknown>>, expiresAt: Date): string;
  /** Null for anything that is not ours, was changed, or is over. */
  open(text: string): Record<string, unknown> | null;
};

const CIPHER = 'aes-256-gcm';
/** The sizes that GCM is made for. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Far above what we seal; a longer text is not worth deciphering. */
const MAX_LENGTH = 8_192;

/** @param secret whoever changes it ends every session. @throws RangeError when it is empty. */
export function createSeal(secret: string, purpose: Purpose, now: () => number = Date.now): Seal {
  if (secret === '') throw new RangeError('the session secret is empty');
  // One key per purpose (RFC 5869); the secret itself is used for nothing else here.
  const key = Buffer.from(hkdfSync('sha256', secret, 'bellhop', purpose, 32));
  return {
    seal(content, expiresAt) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
      const text = JSON.stringify({ content, expiresAt: expiresAt.getTime() });
      const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return sealed.toString('base64url');
    },
    open(text) {
      if (text.length > MAX_LENGTH || !/^[\w-]+$/.test(text)) return null;
      const bytes = Buffer.from(text, 'base64url');
      if (bytes.length <= IV_BYTES + TAG_BYTES) return null;
      const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        const plain = Buffer.concat([
          decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)),
          decipher.final(),
        ]);
        const { content, expiresAt } = JSON.parse(plain.toString()) as {
          content: Record<string, unknown>;
          expiresAt: number;
        };
        return now() < expiresAt ? content : null;
      } catch {
        return null;
      }
    },
  };
}
