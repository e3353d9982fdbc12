/**
 * The fetch that the OpenAI SDK gets. It follows no redirect, sends no header that we did not mean to send (the SDK adds
 * its own statistics and whatever OPENAI_CUSTOM_HEADERS holds) and reads a bounded answer whole, before the SDK sees it.
 */

/** Everything the chat completions endpoint needs. */
const SENT_HEADERS: ReadonlySet<string> = new Set(['authorization', 'content-type', 'accept', 'user-agent']);

/** Four times what 128k output tokens take as JSON text; more is a broken or hostile server. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

export class ResponseTooLarge extends Error {
  override readonly name = 'ResponseTooLarge';
}

/** Same call as `fetch`. @throws ResponseTooLarge when the decoded body passes MAX_RESPONSE_BYTES. */
export async function guardedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const headers = new Headers();
  for (const [name, value] of new Headers(init?.headers)) {
    if (SENT_HEADERS.has(name)) headers.set(name, value);
  }
  const response = await fetch(input, { ...init, headers, redirect: 'manual' });
  const body = await readBounded(response);
  const answerHeaders = new Headers(response.headers);
  // The body is decoded and complete now; these two would describe another one.
  answerHeaders.delete('content-encoding');
  answerHeaders.delete('content-length');
  const isBodyless = response.status === 204 || response.status === 205 || response.status === 304;
  return new Response(isBodyless ? null : body, { status: response.status, headers: answerHeaders });
}

async function readBounded(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop by a throw cancels the stream, which closes the socket.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > MAX_RESPONSE_BYTES) throw new ResponseTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
