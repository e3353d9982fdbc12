/**
 * Reads a request's body, as it came or as JSON. JSON is read strictly: application/json, UTF-8, not compressed, at most 256 kB, one value, no
 * member twice. Answers undefined when the request has no body.
 */
import type { IncomingMessage } from 'node:http';
import { findDuplicateKey } from './duplicate-keys.ts';
import { ApiProblem, invalid } from './problem-codes.ts';

/** The contract's limit: a run's task is at most 64 kB, the rest of a body is small. */
export const BODY_LIMIT_BYTES = 256 * 1024;

/** The bytes as they came, whatever they say they are: for what is signed. Empty without a body. */
export async function readRawBody(req: IncomingMessage): Promise<Buffer> {
  return hasBody(req) ? await readBytes(req) : Buffer.alloc(0);
}

export async function readJsonBody(req: IncomingMessage): Promise<unknown> {
  if (!hasBody(req)) return undefined;
  assertPlainJson(req);
  const bytes = await readBytes(req);
  if (bytes.length === 0) return undefined;
  let text: string;
  try {
    // ignoreBOM keeps a byte order mark in the text, so that JSON.parse refuses it as the RFC wants.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new ApiProblem('invalid_request', {
      errors: [{ at: 'body', message: 'is not UTF-8' }],
      cause: error,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('body', 'is not JSON');
  }
  if (findDuplicateKey(text)) throw invalid('body', 'has a member twice in one object');
  return value;
}

function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
}

function assertPlainJson(req: IncomingMessage): void {
  const type = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(
    req.headers['content-type'] ?? '',
  );
  const encoding = (req.headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity';
  if (type && encoding) return;
  req.resume();
  throw new ApiProblem('unsupported_media_type');
}

/** The body, or 413 as soon as it is known to be too long; what follows is read and dropped so that the answer arrives. */
async function readBytes(req: IncomingMessage): Promise<Buffer> {
  const tooLarge = () => {
    req.resume();
    return new ApiProblem('body_too_large', { detail: `A body has at most ${BODY_LIMIT_BYTES} bytes.` });
  };
  if (Number(req.headers['content-length'] ?? 0) > BODY_LIMIT_BYTES) throw tooLarge();
  return await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    req.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= BODY_LIMIT_BYTES) chunks.push(chunk);
      else {
        req.removeAllListeners('data');
        reject(tooLarge());
      }
    });
    req.once('end', () => resolve(Buffer.concat(chunks)));
    req.once('error', (error) =>
      reject(invalid('body', error.message === 'aborted' ? 'ended early' : 'cannot be read')),
    );
  });
}
