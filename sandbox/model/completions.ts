/** One chat completion: reads the request, logs it, decides the reply, meets its fault, answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { planReply } from './answer.ts';
import { toWireAnswer } from './chat-answer.ts';
import { readChatRequest } from './chat-request.ts';
import { type FaultBook, bend } from './faults.ts';
import type { Fault, LoggedRequest, TransportFault } from './protocol.ts';
import type { RequestLog } from './request-log.ts';
import { readBody, sendError, sendJson, sendText } from './respond.ts';
import { type ScriptBook, toReply } from './scripts.ts';

type Parts = {
  readonly log: RequestLog;
  readonly scripts: ScriptBook;
  readonly faults: FaultBook;
  readonly latencyMs: number;
};
type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function createCompletions({ log, scripts, faults, latencyMs }: Parts): Handler {
  // Ids of a restarted sandbox must not meet those of its former life in one transcript.
  const life = Date.now().toString(36);
  return async (request, response) => {
    const text = await readBody(request);
    const body = parse(text);
    const seq = log.add({ ...describe(request), text });
    const settle: Settle = (outcome) => log.settle(seq, outcome);
    response.once('finish', () => settle(response.statusCode));
    response.once('close', () => settle('aborted_by_client'));
    response.setHeader('x-request-id', `req_${life}${seq}`);

    const chat = readChatRequest(body);
    if ('message' in chat) return sendError(response, 400, { code: 'invalid_value', ...chat });
    if (chat.stream)
      return sendError(response, 400, {
        code: 'unsupported_value',
        param: 'stream',
        message: 'The sandbox does not stream.',
      });
    const step = scripts.find(chat);
    const fault = faults.take(chat, step);
    const delay = latencyMs + (fault?.kind === 'latency' ? fault.ms : 0);
    if (delay > 0) await sleep(delay);
    if (fault && breakTransport(fault, { request, response, settle })) return undefined;
    const reply = step ? toReply(step.answer) : planReply(chat);
    const answer = toWireAnswer(reply, chat, { answerId: `${life}${seq.toString(36)}`, now: Date.now() });
    return sendJson(response, 200, bend(answer, fault, chat));
  };
}

type Settle = (outcome: LoggedRequest['outcome']) => void;
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
  huge: ({ response }, { bytes }) =>
    sendText(response, 200, `{"choices":[],"padding":"${'x'.repeat(bytes)}"}`, JSON_TYPE),
};

/** True when the fault leaves no room for an answer, and the request is dealt with. */
function breakTransport(fault: Fault, exchange: Exchange): boolean {
  if (!(fault.kind in BREAKS)) return false;
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

function describe(request: IncomingMessage): Omit<LoggedRequest, 'seq' | 'outcome' | 'body'> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers))
    headers[name] = name === 'authorization' ? 'Bearer …' : String(value);
  return {
    at: new Date().toISOString(),
    method: request.method ?? '',
    path: request.url ?? '',
    headers,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
