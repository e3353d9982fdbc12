/**
 * One HTTP exchange at a third of the CPU of Node's fetch: no redirect is followed, nothing is retried, no cookie is kept.
 * It knows bytes and headers, and nothing of who answers; when it may end, and how much is read, its caller says.
 */
import { type Readable, pipeline } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';

export type AnswerHeaders = { get(name: string): string | null };
export type HttpAnswer = {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** To be called once. Null when the body, counted after decompression, is larger than `maxBytes`; the rest is then not read. */
  readonly text: (maxBytes: number) => Promise<string | null>;
};

/**
 * Rejects as the connection does: codes of the socket or `UND_ERR_*`, and what the signal was aborted with. As with Node's
 * fetch, proxies are those of the environment where NODE_USE_ENV_PROXY says so.
 */
export async function exchangeHttp(
  url: URL,
  options: {
    readonly method: 'GET' | 'POST' | 'DELETE';
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string | null;
    readonly signal: AbortSignal;
  },
): Promise<HttpAnswer> {
  const answer = await request(url, {
    method: options.method,
    headers: { ...options.headers, 'accept-encoding': 'gzip, deflate, br' },
    body: options.body,
    signal: options.signal,
    // The signal says when it is over; two more timers for each request would only cost.
    headersTimeout: 0,
    bodyTimeout: 0,
    dispatcher: dispatcher(),
  });
  const headers = toHeaders(answer.headers);
  return { status: answer.statusCode, headers, text: (maxBytes) => readText(answer, headers, maxBytes) };
}

let shared: Dispatcher | null = null;

/** One for the process: it holds the connections. */
function dispatcher(): Dispatcher {
  shared ??=
    process.env['NODE_USE_ENV_PROXY'] === '1' ? new EnvHttpProxyAgent({ proxyTunnel: true }) : new Agent();
  return shared;
}

type Answer = Awaited<ReturnType<typeof request>>;

function toHeaders(headers: Answer['headers']): AnswerHeaders {
  return {
    get(name) {
      const value = headers[name.toLowerCase()];
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
    },
  };
}

async function readText({ body }: Answer, headers: AnswerHeaders, maxBytes: number): Promise<string | null> {
  const declared = headers.get('content-length');
  if (declared !== null && Number(declared) > maxBytes) {
    // Nobody listens any more, and closing it is no error.
    body.on('error', () => undefined).destroy();
    return null;
  }
  const encoding = headers.get('content-encoding');
  // HTTP cuts a body at its declared length, so a small declared length needs no counting, unless it is compressed.
  if (declared !== null && encoding === null) return await body.text();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of decoded(body, encoding) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    // Leaving the loop destroys the stream, and with it the connection.
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return new TextDecoder().decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size));
}

const DECODERS = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
} as const;

/** A coding that we did not ask for is passed on as it is: it will not be JSON. */
function decoded(body: Readable, encoding: string | null): Readable {
  const name = encoding?.trim().toLowerCase() ?? '';
  if (!Object.hasOwn(DECODERS, name)) return body;
  // Its callback is for the error, which the reader of the result meets itself.
  return pipeline(body, DECODERS[name as keyof typeof DECODERS](), () => undefined);
}
