/** Faults that leave no room for an answer: what is sent instead, if anything. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Fault, LoggedRequest, TransportFault } from './protocol.ts';
import { sendError, sendText } from './respond.ts';

export type Settle = (outcome: LoggedRequest['outcome']) => void;
type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly settle: Settle;
};
type Break<F> = (exchange: Exchange, fault: F) => void;

const JSON_TYPE = { 'content-type': 'application/json' };
const BREAKS: { readonly [K in TransportFault['kind']]: Break<Extract<TransportFault, { kind: K }>> } = {
  status: ({ response }, fault) => sendStatus(fault, response),
  hang: ({ settle }) => settle('hang'),
  trickle: ({ response }, { ms }) => trickle(ms, response),
  reset({ request, settle }) {
    settle('reset');
    request.socket.resetAndDestroy();
  },
  reset_mid_body({ request, response, settle }) {
    settle('reset');
    response.writeHead(200, { ...JSON_TYPE, 'content-length': '4096' });
    response.write('{"id":"chatcmpl-', () => request.socket.resetAndDestroy());
  },
  invalid_json: ({ response }) =>
    sendText(response, 200, '{"id":"chatcmpl-1","choices":[{"message":{"content":"half', JSON_TYPE),
  html: ({ response }) =>
    sendText(response, 200, '<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' }),
  empty_body: ({ response }) => sendText(response, 200, '', JSON_TYPE),
  raw: ({ response }, { body, status = 200, contentType = 'application/json' }) =>
    sendText(response, status, body, { 'content-type': contentType }),
  huge: ({ response }, { bytes }) =>
    sendText(response, 200, `{"choices":[],"padding":"${'x'.repeat(bytes)}"}`, JSON_TYPE),
};

/** True when the fault leaves no room for an answer, and the request is dealt with. */
export function breakTransport(fault: Fault, exchange: Exchange): boolean {
  if (!isTransportFault(fault.kind)) return false;
  (BREAKS[fault.kind as TransportFault['kind']] as Break<Fault>)(exchange, fault);
  return true;
}

function sendStatus(fault: Extract<Fault, { kind: 'status' }>, response: ServerResponse): void {
  const headers = {
    ...(fault.retryAfter !== undefined && { 'retry-after': fault.retryAfter }),
    ...(fault.retryAfterMs !== undefined && { 'retry-after-ms': String(fault.retryAfterMs) }),
  };
  const code = fault.code ?? (fault.status === 429 ? 'rate_limit_exceeded' : 'sandbox_fault');
  sendError(response, fault.status, { code, message: 'The sandbox was told to answer this.' }, headers);
}

function trickle(ms: number, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), ms);
  response.once('close', () => clearInterval(timer));
}

export function isTransportFault(kind: string): boolean {
  return Object.hasOwn(BREAKS, kind);
}
