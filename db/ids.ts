/** Ids and secrets. Ids are opaque to callers; secrets are 256 random bits and are stored as digests wherever they need not be shown again. */
import { hash, randomBytes, randomUUID } from 'node:crypto';

export const newId = (): string => randomUUID();
/** 256 bits, base64url, 43 characters. */
export const newSecret = (): string => randomBytes(32).toString('base64url');
export const sha256 = (text: string): Buffer => hash('sha256', text, 'buffer');
export const sha256Hex = (text: string): string => sha256(text).toString('hex');
