/**
 * The API's front: retired versions, key, limit, route, faults, answer. Handlers run without interruption between
 * their checks and their effects, so no request can slip between another's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiRequest, Reply } from './api-request.ts';
import { isJsonObject } from './api-request.ts';
import { type Delivery, sendFaultStatus, sendRedirect, sendSpoiled } from './faults/deliver.ts';
import type { FaultPlan } from './faults/fault-rules.ts';
import { cut, MAX_API_BODY, parseJson, pause, readBody, send } from './http-io.ts';
import { executeUnsuccessfully } from './routes/execute.ts';
import { findRoute, type Route } from './routes/route-table.ts';
import type { LoggedRequest } from './state/request-log.ts';
import type { SandboxState } from './state/sandbox-state.ts';
import { badRequest, routeNotFound, unauthorized, WireError, wireErrorBody } from './wire-error.ts';

const RETIRED_BODY = '{"error":"This endpoint is no longer available. Please upgrade to v3 APIs."}';

export function isRetiredPath(path: string): boolean {
  return /^\/api\/v[12](\/|$)/.test(path);
}

type Call = {
  readonly state: SandboxState;
  readonly method: string;
  readonly path: string;
  readonly route: Route | null;
  readonly request: ApiRequest;
  readonly logged: LoggedRequest;
  readonly delivery: Delivery;
};

export async function handleApi(
  state: SandboxState,
  {
    request,
    response,
    path,
    query,
  }: { request: IncomingMessage; response: ServerResponse; path: string; query: string },
): Promise<void> {
  const method = request.method ?? 'GET';
  const version = path.startsWith('/api/v3.1/') ? 'v3.1' : 'v3';
  const below = path.slice(version === 'v3.1' ? '/api/v3.1'.length : '/api/v3'.length);
  const found = isRetiredPath(path) ? null : findRoute(method, below);
  const search = new URLSearchParams(query);
  const text = method === 'GET' ? '' : await readBody(request, MAX_API_BODY);
  const parsed = parseLeniently(text);
  const body = isJsonObject(parsed) ? parsed : {};
  const isTool = found?.route.name.startsWith('tools.') ?? false;
  const isAccount = found !== null && found.route.name.startsWith('accounts.') && found.id !== '';
  const bodyAccount = typeof body['connected_account_id'] === 'string' ? body['connected_account_id'] : null;
  const accountId = isAccount ? found.id : bodyAccount;
  const logged = state.requestLog.add(
    {
      method,
      path,
      query,
      route: found?.route.name ?? null,
      slug: isTool && found?.id ? found.id : null,
      userIds: usersNamed(state, { search, userId: body['user_id'], accountId }),
      accountId,
    },
    request.headers,
  );
  response.once('finish', () => {
    logged.status = response.statusCode;
  });
  if (isRetiredPath(path)) return send(response, { status: 410, body: RETIRED_BODY });
  const key = request.headers['x-api-key'];
  if (typeof key !== 'string' || !state.apiKeys.has(key)) return sendError(response, unauthorized(), {});
  const rate = state.rateLimit.take(Date.now());
  if (!rate.allowed) {
    const message = JSON.stringify({ message: 'Rate limit exceeded. Please retry later.' });
    return send(response, { status: 429, body: message, headers: rate.headers });
  }
  const call: Call = {
    state,
    method,
    path: below,
    route: found?.route ?? null,
    request: { version, id: found?.id ?? '', query: search, body },
    logged,
    delivery: { response, headers: rate.headers, signal: state.closing.signal },
  };
  try {
    if (parsed === undefined || (text !== '' && !isJsonObject(parsed)))
      throw badRequest('The request body is not a JSON object');
    await answer(call);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    sendError(response, error, rate.headers);
  }
}

async function answer(call: Call): Promise<void> {
  const { state, logged, delivery } = call;
  const plan = state.faults.isEmpty
    ? null
    : state.faults.plan({
        method: call.method,
        path: call.path,
        route: call.route?.name ?? null,
        slug: logged.slug,
        userIds: logged.userIds,
      });
  if (plan === null) {
    const reply = runHandler(call);
    if (state.journal.needsFlush) await state.journal.durable();
    return send(delivery.response, { ...reply, headers: delivery.headers });
  }
  logged.fault = plan.ruleIds.join(',');
  await answerWithFaults(call, plan);
}

async function answerWithFaults(call: Call, plan: FaultPlan): Promise<void> {
  const { state, delivery } = call;
  const { action } = plan;
  for (const delay of plan.delays) if (!delay.afterEffect) await pause(delay.ms, delivery.signal);
  const isBefore = action !== null && !('afterEffect' in action && action.afterEffect);
  if (isBefore) {
    if (action.type === 'hang') return;
    if (action.type === 'reset') return cut(delivery.response);
    if (action.type === 'status') return sendFaultStatus(action, delivery);
    if (action.type === 'redirect') return sendRedirect(action, delivery);
    if (action.type === 'hold') await state.barriers.wait(action.barrier, delivery.signal);
  }
  // The sandbox closed while this request waited: nothing may happen any more.
  if (delivery.signal.aborted) return cut(delivery.response);
  const reply =
    action?.type === 'unsuccessful' && call.route?.name === 'tools.execute'
      ? executeUnsuccessfully(state, call.request, {
          error: action.error,
          data: action.data ?? {},
          didIt: action.afterEffect ?? false,
        })
      : runHandler(call);
  await state.journal.durable();
  for (const delay of plan.delays) if (delay.afterEffect) await pause(delay.ms, delivery.signal);
  if (action === null || (isBefore && action.type === 'hold')) {
    return send(delivery.response, { ...reply, headers: delivery.headers });
  }
  if (action.type === 'hold') await state.barriers.wait(action.barrier, delivery.signal);
  await sendSpoiled(action, reply, delivery);
}

/** Runs the handler. @throws WireError */
function runHandler({ state, method, path, route, request }: Call): Reply {
  if (route === null) throw routeNotFound(method, path);
  return route.handler(state, request);
}

function sendError(response: ServerResponse, error: WireError, headers: Delivery['headers']): void {
  send(response, { status: error.status, body: wireErrorBody(error), headers });
}

/** Undefined when it is not JSON: the request is logged, counted and matched by faults all the same. */
function parseLeniently(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** Everyone the request is about: in its body, in its query, or through the account in its path. */
function usersNamed(
  state: SandboxState,
  { search, userId, accountId }: { search: URLSearchParams; userId: unknown; accountId: string | null },
): readonly string[] {
  if (typeof userId === 'string') return [userId];
  const listed = search.get('user_ids');
  if (listed !== null) return listed.split(',');
  const owner = accountId === null ? undefined : state.accounts.get(accountId)?.userId;
  return owner === undefined ? [] : [owner];
}
