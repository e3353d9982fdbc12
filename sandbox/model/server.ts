/**
 * A stand-in for the OpenAI chat completions API: plans with the offered tools, or follows a script, and can go wrong in
 * every way a provider can. Control paths live under `/_sandbox`. For development and tests; it must never hold a real key.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCompletions } from './completions.ts';
import { createFaultBook, isFault } from './faults.ts';
import type { FaultRule, MarkedScript } from './protocol.ts';
import { createRequestLog } from './request-log.ts';
import { readBody, sendError, sendJson } from './respond.ts';
import { createScriptBook, parseScript } from './scripts.ts';
import { isObject } from './chat-request.ts';

export type ModelSandboxOptions = {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly host?: string;
  /** Added to every completion, milliseconds: a real model is never as fast as this one. */
  readonly latencyMs?: number;
};
export type ModelSandbox = { readonly url: string; readonly port: number; close(): Promise<void> };

type State = ReturnType<typeof createState>;

/** Starts the sandbox. `url` has no path; the API's base is `${url}/v1`. @throws when the port is taken. */
export async function createModelSandbox(options: ModelSandboxOptions = {}): Promise<ModelSandbox> {
  const state = createState(options);
  const server = createServer((request, response) => {
    handle(state, request, response).catch((error: unknown) => {
      if (!response.headersSent) sendError(response, 500, { code: 'sandbox_error', message: String(error) });
      else response.destroy();
    });
  });
  // Idle clients keep their sockets for as long as they like: a reset between two tests would look like a fault.
  server.keepAliveTimeout = 60_000;
  const host = options.host ?? '127.0.0.1';
  await listen(server, options.port ?? 0, host);
  const { port } = server.address() as AddressInfo;
  return { url: `http://${host}:${port}`, port, close: () => close(server) };
}

function createState(options: ModelSandboxOptions) {
  const log = createRequestLog();
  const scripts = createScriptBook();
  const faults = createFaultBook();
  return {
    log,
    scripts,
    faults,
    complete: createCompletions({ log, scripts, faults, latencyMs: options.latencyMs ?? 0 }),
  };
}

async function handle(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://sandbox');
  if (url.pathname.startsWith('/_sandbox/')) return control(state, url, request, response);
  if (url.pathname === '/healthz') return sendJson(response, 200, { status: 'ok' });
  const key = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]?.trim();
  if (!key)
    return sendError(response, 401, { code: 'invalid_api_key', message: 'You did not provide an API key.' });
  if (request.method === 'GET' && url.pathname === '/v1/models') {
    return sendJson(response, 200, {
      object: 'list',
      data: [{ id: 'sandbox', object: 'model', created: 0, owned_by: 'sandbox' }],
    });
  }
  if (url.pathname !== '/v1/chat/completions') {
    return sendError(response, 404, {
      code: 'unknown_url',
      message: `Unknown request URL: ${request.method} ${url.pathname}`,
    });
  }
  if (request.method !== 'POST')
    return sendError(response, 405, { code: 'method_not_allowed', message: 'Only POST is allowed.' });
  return state.complete(request, response);
}

async function control(
  state: State,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = `${request.method} ${url.pathname.slice('/_sandbox'.length)}`;
  if (route === 'GET /requests') {
    const items = state.log.list({
      after: Number(url.searchParams.get('after') ?? 0),
      limit: Number(url.searchParams.get('limit') ?? Infinity),
      marker: url.searchParams.get('marker'),
    });
    return sendJson(response, 200, { items });
  }
  if (route === 'POST /reset') {
    for (const part of [state.log, state.scripts, state.faults]) part.clear();
    return sendJson(response, 200, {});
  }
  const text = await readBody(request);
  const body = readJson(text);
  if (route === 'POST /scripts' && isMarkedScript(body, text)) {
    state.scripts.add(body);
    return sendJson(response, 201, {});
  }
  if (route === 'POST /faults' && isObject(body) && isFault(body['fault'])) {
    state.faults.add(body as FaultRule);
    return sendJson(response, 201, {});
  }
  return sendError(response, 400, { code: 'bad_control_request', message: `${route} was not understood` });
}

function isMarkedScript(body: unknown, text: string): body is MarkedScript {
  if (!isObject(body) || typeof body['marker'] !== 'string' || body['marker'] === '') return false;
  return parseScript(text)?.answers.every(({ fault }) => fault === undefined || isFault(fault)) ?? false;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Open requests are cut: what hangs here on purpose would otherwise hold the process for good. */
function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}
