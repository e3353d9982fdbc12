/**
 * `/_sandbox/...`: how tests and the demo arrange and observe the sandbox. No key: it listens on loopback. It can add to
 * and read the effect journal's subject matter, but nothing here changes or clears the journal itself.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isJsonObject } from './api-request.ts';
import { accountRoutes } from './control-accounts.ts';
import type { ControlAnswer, ControlCall } from './control-call.ts';
import { faultRoutes } from './control-faults.ts';
import { MAX_CONTROL_BODY, parseJson, readBody, send } from './http-io.ts';
import type { SandboxSettings } from './options.ts';
import { DEFAULT_SETTINGS } from './options.ts';
import type { SandboxState } from './state/sandbox-state.ts';
import { emitWebhook, type WebhookOrder } from './webhook-events.ts';
import { badRequest, forbidden, routeNotFound, WireError, wireErrorBody } from './wire-error.ts';

export async function handleControl(
  state: SandboxState,
  {
    request,
    response,
    path,
    query,
  }: { request: IncomingMessage; response: ServerResponse; path: string; query: string },
): Promise<void> {
  const method = request.method ?? 'GET';
  try {
    // A web page that somebody has open must not be able to rearrange the sandbox behind its back.
    if (request.headers.origin !== undefined) throw forbidden();
    const text = method === 'GET' ? '' : await readBody(request, MAX_CONTROL_BODY);
    const segments = path.split('/').slice(2).map(decodeURIComponent);
    const call: ControlCall = {
      state,
      method,
      segments,
      query: new URLSearchParams(query),
      body: parseJson(text),
    };
    const answer =
      accountRoutes(call) ??
      faultRoutes(call) ??
      observeRoutes(call) ??
      settingsRoutes(call) ??
      (await webhookRoutes(call));
    if (answer === undefined) throw routeNotFound(method, path);
    send(response, { status: answer.status, body: JSON.stringify(answer.value) });
  } catch (error) {
    const known = error instanceof RangeError ? badRequest(error.message) : error;
    if (!(known instanceof WireError)) throw known;
    send(response, { status: known.status, body: wireErrorBody(known) });
  }
}

function observeRoutes({ state, method, segments, query }: ControlCall): ControlAnswer {
  if (method !== 'GET') return undefined;
  const since = Number(query.get('since') ?? '0');
  const slug = query.get('slug');
  const userId = query.get('user_id');
  switch (segments.join('/')) {
    case 'state':
      return {
        status: 200,
        value: {
          settings: state.settings,
          accounts: state.accounts.size,
          effects: state.journal.size,
          requests: { total: state.requestLog.total, byRoute: state.requestLog.countByRoute() },
          faults: state.faults.list().length,
        },
      };
    case 'journal': {
      const accountId = query.get('account_id');
      const writesOnly = query.get('writes_only') === 'true';
      const items = state.journal
        .since(since)
        .filter((effect) => slug === null || effect.slug === slug)
        .filter((effect) => userId === null || effect.userId === userId)
        .filter((effect) => accountId === null || effect.accountId === accountId)
        .filter((effect) => !writesOnly || !effect.readOnly);
      return { status: 200, value: { items } };
    }
    case 'requests': {
      const route = query.get('route');
      const status = query.get('status');
      const items = state.requestLog
        .since(since)
        .filter((entry) => route === null || entry.route === route)
        .filter((entry) => slug === null || entry.slug === slug)
        .filter((entry) => userId === null || entry.userIds.includes(userId))
        .filter((entry) => status === null || String(entry.status) === status);
      return { status: 200, value: { items } };
    }
    default:
      return undefined;
  }
}

function settingsRoutes({ state, method, segments, body }: ControlCall): ControlAnswer {
  if (segments.join('/') !== 'settings' || method !== 'PATCH') return undefined;
  if (!isJsonObject(body)) throw badRequest('settings must be an object');
  const unknown = Object.keys(body).find((key) => !Object.hasOwn(DEFAULT_SETTINGS, key));
  if (unknown !== undefined) throw badRequest(`unknown setting ${unknown}`);
  Object.assign(state.settings, body as Partial<SandboxSettings>);
  state.rateLimit.reset();
  return { status: 200, value: state.settings };
}

async function webhookRoutes({ state, method, segments, body }: ControlCall): Promise<ControlAnswer> {
  if (segments.join('/') !== 'webhooks' || method !== 'POST') return undefined;
  return { status: 200, value: await emitWebhook(state, body as WebhookOrder) };
}
