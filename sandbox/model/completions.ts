/** One chat completion: reads the request, logs it, decides the reply, meets its fault, answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { planReply } from './answer.ts';
import { toWireAnswer } from './chat-answer.ts';
import { readChatRequest } from './chat-request.ts';
import { type FaultBook, bend } from './faults.ts';
import type { LoggedRequest } from './protocol.ts';
import type { RequestLog } from './request-log.ts';
import { readBody, sendError, sendJson } from './respond.ts';
import { type ScriptBook, toReply } from './scripts.ts';
import { type Settle, breakTransport } from './transport-faults.ts';

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
