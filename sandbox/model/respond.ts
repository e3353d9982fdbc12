/** Reading and writing HTTP for the model sandbox: whole bodies in, JSON out. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A transcript of two million tokens is 8 MB; what is larger is not one of ours. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** @throws RangeError past the limit. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw new RangeError('request body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  sendText(response, status, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string>,
): void {
  response.writeHead(status, { 'content-length': String(Buffer.byteLength(text)), ...headers });
  response.end(text);
}

/** An error in OpenAI's shape. */
export function sendError(
  response: ServerResponse,
  status: number,
  error: { code: string; message: string; param?: string },
  headers: Record<string, string> = {},
): void {
  const type = status === 429 ? error.code : status >= 500 ? 'server_error' : 'invalid_request_error';
  const body = { error: { message: error.message, type, param: error.param ?? null, code: error.code } };
  sendJson(response, status, body, headers);
}
