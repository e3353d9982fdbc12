/**
 * A stand-in for Composio: its v3.1 HTTP API, its consent page, and a journal of what was really done. For tests, the
 * demo, benchmarks and `npm start`; production code never imports it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConnectionStatus } from '../../domain/statuses.ts';
import { handleApi, isRetiredPath } from './api.ts';
import { handleControl } from './control-api.ts';
import { decideConsent, showConsent } from './consent.ts';
import { cut, MAX_API_BODY, readBody, send } from './http-io.ts';
import type { SandboxOptions } from './options.ts';
import { createSandboxState, type SandboxState } from './state/sandbox-state.ts';
import { WireError, wireErrorBody } from './wire-error.ts';

export type ComposioSandbox = {
  /** Without a path: what COMPOSIO_BASE_URL is set to. */
  readonly url: string;
  readonly port: number;
  /** Cuts open connections, writes what is kept, frees the port. Safe to call twice. */
  readonly close: () => Promise<void>;
};

// Longer than any client keeps an idle socket: a request must not meet a socket that is just being closed.
const KEEP_ALIVE_MS = 65_000;
// Fine enough for a delay that a test asks for, rare enough to cost nothing.
const TICK_MS = 20;
// Ended links are only good for a page that says so; an hour of them is plenty.
const FORGET_LINKS_AFTER_MS = 3_600_000;

/** @throws the listen error, e.g. EADDRINUSE. */
export async function createComposioSandbox(options: SandboxOptions = {}): Promise<ComposioSandbox> {
  const state = createSandboxState(options);
  const server = createServer((request, response) => {
    handle(state, request, response).catch((error: unknown) => failed(response, error));
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const host = options.host ?? '127.0.0.1';
  await listen(server, options.port ?? 0, host);
  const { port } = server.address() as AddressInfo;
  const url = `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`;
  state.publicUrl = (options.publicUrl ?? url).replace(/\/$/, '');
  const ticker = setInterval(() => passTime(state, Date.now()), TICK_MS).unref();
  let closed: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    clearInterval(ticker);
    state.closing.abort();
    const ended = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await ended;
    state.snapshot?.saveNow();
    await state.journal.close();
  };
  return { url, port, close: () => (closed ??= close()) };
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

async function handle(
  state: SandboxState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark + 1);
  const place = { request, response, path, query };
  if (path.startsWith('/api/v3.1/') || path.startsWith('/api/v3/') || isRetiredPath(path))
    return handleApi(state, place);
  if (path.startsWith('/_sandbox/')) return handleControl(state, place);
  if (path.startsWith('/link/')) return handleLink(state, place);
  if (path === '/healthz') return send(response, { status: 200, body: '{"status":"ok"}' });
  send(response, { status: 404, body: '{"message":"Not found"}' });
}

async function handleLink(
  state: SandboxState,
  { request, response, path }: { request: IncomingMessage; response: ServerResponse; path: string },
): Promise<void> {
  const token = path.slice('/link/'.length);
  if (request.method === 'GET' || request.method === 'HEAD') return showConsent(state, token, response);
  if (request.method !== 'POST')
    return send(response, { status: 405, body: '', headers: { Allow: 'GET, POST' } });
  const form = new URLSearchParams(await readBody(request, MAX_API_BODY));
  decideConsent(state, { token, form, response });
}

/** What happens without a request: consented accounts turn ACTIVE, links run out. */
function passTime(state: SandboxState, nowMs: number): void {
  for (const account of state.accounts.activating()) {
    if (account.activatesAt !== null && account.activatesAt <= nowMs) {
      state.accounts.update(account, { status: 'ACTIVE', statusReason: null, activatesAt: null });
    }
  }
  const { unfinishedBecomes } = state.settings;
  for (const link of state.links.all()) {
    if (link.outcome !== 'open' || link.expiresAt > nowMs) continue;
    const account = state.accounts.get(link.accountId);
    if (unfinishedBecomes !== 'INITIATED' && account && isUnfinished(account.status)) {
      const statusReason = 'The connection was not completed in time';
      state.accounts.update(account, { status: unfinishedBecomes, statusReason });
    }
  }
  state.links.forgetBefore(nowMs - FORGET_LINKS_AFTER_MS);
}

function isUnfinished(status: ConnectionStatus): boolean {
  return status === 'INITIATED' || status === 'INITIALIZING';
}

/** A broken request is the client's; anything else is a bug of the sandbox, and loud. */
function failed(response: ServerResponse, error: unknown): void {
  if (error instanceof WireError) return send(response, { status: error.status, body: wireErrorBody(error) });
  if (response.destroyed) return;
  console.error('composio sandbox:', error);
  if (response.headersSent) return cut(response);
  send(response, {
    status: 500,
    body: JSON.stringify({ message: 'The sandbox itself failed', error: String(error) }),
  });
}
