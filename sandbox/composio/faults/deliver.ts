/** The answers that faults make: wrong, slow, endless or none. The effect has happened already, or never will. */
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Reply } from '../api-request.ts';
import { cut, type Headers, pause, send } from '../http-io.ts';
import { WireError, wireErrorBody } from '../wire-error.ts';
import type { FaultAction } from './fault.ts';

export type Delivery = {
  readonly response: ServerResponse;
  readonly headers: Headers;
  readonly signal: AbortSignal;
};

export function sendFaultStatus(
  action: Extract<FaultAction, { type: 'status' }>,
  { response, headers }: Delivery,
): void {
  const retry = action.retryAfter === undefined ? {} : { 'Retry-After': String(action.retryAfter) };
  send(response, {
    status: action.status,
    body: faultBody(action),
    headers: { ...headers, ...retry, ...action.headers },
    ...(typeof action.body === 'string' ? { type: 'text/html; charset=utf-8' } : {}),
  });
}

function faultBody({ body, status }: Extract<FaultAction, { type: 'status' }>): string {
  if (typeof body === 'string') return body;
  if (body !== undefined) return JSON.stringify(body);
  if (status === 429) return JSON.stringify({ message: 'Rate limit exceeded. Please retry later.' });
  return wireErrorBody(
    new WireError(`Simulated failure with status ${status}`, { status, code: status, slug: 'Sandbox_Fault' }),
  );
}

export function sendRedirect(
  action: Extract<FaultAction, { type: 'redirect' }>,
  { response, headers }: Delivery,
): void {
  send(response, {
    status: action.status ?? 302,
    body: '',
    headers: { ...headers, Location: action.location },
  });
}

/** Faults that only spoil an answer which exists. Any other action sends the answer unspoiled. */
export async function sendSpoiled(action: FaultAction, reply: Reply, delivery: Delivery): Promise<void> {
  switch (action.type) {
    case 'malformed':
      return sendMalformed(action.how, reply, delivery);
    case 'trickle':
      return sendSlowly(reply, action.bytesPerSecond, delivery);
    case 'huge':
      return sendHuge(action.bytes, delivery);
    case 'gzip_bomb':
      return sendHuge(action.bytes, delivery, 'gzip');
    case 'status':
      return sendFaultStatus(action, delivery);
    case 'reset':
      return cut(delivery.response);
    case 'hang':
      // The socket stays open without an answer until the client gives up or the sandbox closes.
      return;
    case 'hold':
    case 'latency':
    case 'redirect':
    case 'unsuccessful':
      return send(delivery.response, { ...reply, headers: delivery.headers });
  }
}

function sendMalformed(
  how: Extract<FaultAction, { type: 'malformed' }>['how'],
  reply: Reply,
  { response, headers }: Delivery,
): void {
  if (how === 'truncated') {
    // Announces the whole length, sends half of it and ends: what a proxy that dies in between does.
    response.writeHead(reply.status, {
      ...headers,
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(reply.body),
    });
    response.write(reply.body.slice(0, Math.floor(reply.body.length / 2)), () => response.destroy());
    return;
  }
  const spoiled = {
    invalid_json: { body: reply.body.slice(0, -1), type: 'application/json; charset=utf-8' },
    html: { body: '<!doctype html><title>Sign in</title><h1>Welcome to the proxy</h1>', type: 'text/html' },
    empty: { body: '', type: 'application/json; charset=utf-8' },
    wrong_shape: { body: '{"ok":true}', type: 'application/json; charset=utf-8' },
  }[how];
  send(response, { status: 200, headers, ...spoiled });
}

async function sendSlowly(
  reply: Reply,
  bytesPerSecond: number,
  { response, headers, signal }: Delivery,
): Promise<void> {
  const bytes = Buffer.from(reply.body);
  response.writeHead(reply.status, {
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': bytes.length,
  });
  for (let at = 0; at < bytes.length && !response.destroyed && !signal.aborted; at += 1) {
    response.write(bytes.subarray(at, at + 1));
    await pause(1000 / bytesPerSecond, signal);
  }
  response.end();
}

// One chunk of padding is written again and again: the sandbox itself must stay small.
const PADDING = Buffer.alloc(64 * 1024, 'a');

async function sendHuge(bytes: number, { response, headers }: Delivery, encoding?: 'gzip'): Promise<void> {
  response.writeHead(200, {
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    ...(encoding ? { 'Content-Encoding': encoding } : {}),
  });
  const gzip = encoding ? createGzip({ level: 9 }) : null;
  gzip?.pipe(response);
  const target = gzip ?? response;
  target.write('{"successful":true,"error":null,"log_id":"log_huge","data":{"padding":"');
  for (let left = bytes; left > 0 && !response.destroyed; left -= PADDING.length) {
    if (!target.write(left >= PADDING.length ? PADDING : PADDING.subarray(0, left))) {
      await drained(target, response);
    }
  }
  target.end('"}}');
}

/** Resolves when `target` takes more, or when nobody reads `response` any longer. */
function drained(target: Writable, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      target.off('drain', done);
      response.off('close', done);
      resolve();
    };
    target.on('drain', done);
    response.on('close', done);
  });
}
