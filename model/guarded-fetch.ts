/**
 * The fetch that the OpenAI SDK gets. It follows no redirect, sends no header that we did not mean to send (the SDK adds
 * its own statistics and whatever OPENAI_CUSTOM_HEADERS holds) and reads a bounded answer whole, before the SDK sees it.
 */

import { type HttpAnswer, exchangeHttp } from '../net/http-exchange.ts';

/** Everything the chat completions endpoint needs. */
const SENT_HEADERS: ReadonlySet<string> = new Set(['authorization', 'content-type', 'accept', 'user-agent']);

/** Four times what 128k output tokens take as JSON text; more is a broken or hostile server. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

export class ResponseTooLarge extends Error {
  override readonly name = 'ResponseTooLarge';
}

/** The part of `fetch` that the SDK uses. @throws ResponseTooLarge when the decoded body passes MAX_RESPONSE_BYTES. */
export async function guardedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const headers: Record<string, string> = {};
  const given = init?.headers;
  for (const [name, value] of given instanceof Headers ? given : new Headers(given)) {
    if (SENT_HEADERS.has(name)) headers[name] = value;
  }
  const { method = 'GET', body = null, signal } = init ?? {};
  if (input instanceof Request || method !== 'POST' || typeof body !== 'string') {
    throw new TypeError('only a POST of a text is sent to the model');
  }
  const answer = await exchangeHttp(new URL(input), {
    method,
    headers,
    body,
    signal: signal ?? new AbortController().signal,
  });
  const text = await answer.text(MAX_RESPONSE_BYTES);
  if (text === null) throw new ResponseTooLarge();
  return toResponse(answer.status, new Headers(readHeaders(answer)), text);
}

/**
 * What the SDK reads of a Response, and nothing else: a real one puts the text that is here already through a stream, which
 * takes longer than sending the request did.
 */
function toResponse(status: number, headers: Headers, text: string): Response {
  const read: Pick<Response, 'status' | 'ok' | 'statusText' | 'headers' | 'url' | 'body' | 'text' | 'json'> =
    {
      status,
      ok: status >= 200 && status < 300,
      statusText: '',
      headers,
      url: '',
      body: null,
      text: async () => text,
      json: async () => JSON.parse(text) as unknown,
    };
  return read as Response;
}

/** What is looked at of an answer (model/classify.ts, the SDK). Those of the body's coding would describe another one. */
const READ_HEADERS = ['content-type', 'retry-after', 'retry-after-ms', 'x-request-id'] as const;

function readHeaders({ headers }: HttpAnswer): [string, string][] {
  return READ_HEADERS.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value] as [string, string]];
  });
}
