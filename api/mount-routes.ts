/**
 * Routes onto Express. The order is fixed: who calls, what they may, then what they sent, so that a stranger learns
 * nothing about what would be valid. Everything that goes wrong comes out of the one error handler.
 */
import type { ErrorRequestHandler, Express, Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { admit } from './admit.ts';
import { forbidden, hasScope } from './auth.ts';
import type { AnyAnswer, Route, RouteRequest } from './define-route.ts';
import type { ApiDeps } from './deps.ts';
import { readJsonBody, readRawBody } from './json-body.ts';
import { pageOfStatus, problemPage } from './pages/problem-page.ts';
import { parsePart, pickHeaders } from './parse-request.ts';
import { ApiProblem, PROBLEMS } from './problem-codes.ts';
import { sendProblem, toProblem } from './problems.ts';
import { parseQuery } from './query-string.ts';
import { type RequestIds, idsOfAnswer, idsOfRequest } from './request-ids.ts';
import { lazyLog, requestIdOf } from './request-log.ts';
import { isStream, sendStream } from './send-stream.ts';

const NOTHING = z.strictObject({});
/** One for all: an abort without a reason makes an error with a stack, for each answer. */
const GONE = new Error('the answer is over, or nobody waits for it any more');

export function mountRoutes(app: Express, routes: readonly Route[], deps: ApiDeps): void {
  for (const [path, group] of groupByPath(routes)) {
    const expressPath = path.replaceAll(/\{(\w+)\}/g, ':$1');
    const refuse = refuseMethod(group);
    for (const route of group) {
      if (route.noHead) app.head(expressPath, refuse);
      app[route.method](expressPath, createHandler(route, deps));
    }
    app.all(expressPath, refuse);
  }
  app.use(() => {
    throw new ApiProblem('not_found');
  });
  app.use(createErrorHandler(routes, deps));
}

function groupByPath(routes: readonly Route[]): Map<string, Route[]> {
  return Map.groupBy(routes, (route) => route.path);
}

function refuseMethod(group: readonly Route[]): RequestHandler {
  const methods = group.flatMap(({ method, noHead }) =>
    method === 'get' && !noHead ? ['get', 'head'] : [method],
  );
  const allow = methods.map((method) => method.toUpperCase()).join(', ');
  return () => {
    throw new ApiProblem('method_not_allowed', { headers: { allow } });
  };
}

function createHandler(route: Route, deps: ApiDeps): RequestHandler {
  return async (req, res) => {
    const started = performance.now();
    res.locals['route'] = route;
    res.once('close', () => {
      // Streams last as long as their readers like, which says nothing of this process.
      if (isStream(res)) return;
      const labels = { route: route.path, method: route.method, status: res.statusCode };
      deps.metrics.observeRequest(labels, (performance.now() - started) / 1_000);
    });
    const request = await readRequest(route, deps, req, res);
    const answer = await route.handler(deps, request);
    res.locals['ids'] = { ...(res.locals['ids'] as RequestIds), ...idsOfAnswer(answer) };
    if (answer.stream) await sendStream(req, res, answer.stream, request.signal);
    else send(res, answer);
  };
}

type AnyRequest = RouteRequest<unknown, unknown, unknown, unknown, null>;

async function readRequest(route: Route, deps: ApiDeps, req: Request, res: Response): Promise<AnyRequest> {
  const principal =
    route.scope === null
      ? null
      : await admit(deps, { authorization: await authorizationOf(deps, req), address: req.ip ?? '' });
  if (principal && route.scope !== null && !hasScope(principal, route.scope)) throw forbidden(route.scope);
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  const headers = route.headers ? pickHeaders(route.headers, req.headersDistinct) : {};
  const params = parsePart('path', route.params ?? NOTHING, { ...req.params });
  const query = parsePart('query', route.query ?? NOTHING, parseQuery(req.url));
  const parsedHeaders = parsePart('header', route.headers ?? NOTHING, headers);
  const body = isRead || route.signed ? undefined : await readBody(route, req);
  const ids = idsOfRequest(params, body, query);
  res.locals['ids'] = ids;
  let signal: AbortSignal | undefined;
  const requestId = requestIdOf(res);
  const logLater = lazyLog(deps.logger, { reqId: requestId, ...ids });
  return {
    principal: principal as null,
    params,
    query,
    headers: parsedHeaders,
    body,
    rawBody: route.signed ? await readRawBody(req) : Buffer.alloc(0),
    requestId,
    host: req.headers.host ?? '',
    forwardedHost: req.headersDistinct['x-forwarded-host']?.[0] ?? '',
    cookie: req.headers.cookie ?? '',
    prefers: (types) => req.accepts([...types]) || null,
    // Made when they are asked for: most requests wait for nothing and say nothing.
    get signal() {
      return (signal ??= signalOf(res));
    },
    get log() {
      return logLater();
    },
    logLater,
  };
}

/** Aborted when nobody waits for the answer any more. */
function signalOf(res: Response): AbortSignal {
  if (res.closed) return AbortSignal.abort(GONE);
  const gone = new AbortController();
  res.once('close', () => gone.abort(GONE));
  return gone.signal;
}

/** A key of its own goes before a session, which only requests of the console's script have. */
async function authorizationOf(
  { consoleSessions }: ApiDeps,
  req: Request,
): Promise<readonly string[] | undefined> {
  const given = req.headersDistinct['authorization'];
  if (given !== undefined) return given;
  const session = await consoleSessions.authorizationOf(req.headers);
  return session === null ? undefined : [session];
}

async function readBody(route: Route, req: Request): Promise<unknown> {
  const value = await readJsonBody(req);
  if (route.body)
    return parsePart('body', route.body, value === undefined && route.bodyOptional ? {} : value);
  // An empty object where nothing is expected does no harm, and some clients always send one.
  if (value !== undefined) parsePart('body', NOTHING, value);
  return undefined;
}

function send(res: Response, answer: AnyAnswer): void {
  res.status(answer.status);
  for (const [name, value] of Object.entries(answer.headers ?? {})) res.setHeader(name, value);
  if (answer.page !== undefined) {
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end(answer.page);
  } else if (answer.body === undefined) {
    res.end();
  } else {
    res.setHeader('content-type', 'application/json; charset=utf-8');
    res.end(JSON.stringify(answer.body));
  }
}

function createErrorHandler(routes: readonly Route[], { brand }: ApiDeps): ErrorRequestHandler {
  const browserPaths = routes
    .filter((route) => route.forBrowsers)
    .map((route) => `/${route.path.split('/')[1] ?? ''}/`);
  return (error: unknown, req, res, next) => {
    const problem = toProblem(error);
    const { status } = PROBLEMS[problem.code];
    if (status >= 500) req.log.error({ ...res.locals['ids'], err: error }, 'request failed');
    if (res.headersSent) {
      next(error);
      return;
    }
    if (browserPaths.some((path) => req.path.startsWith(path)) && status !== 405) {
      const kind = pageOfStatus(status);
      send(res, {
        status: kind === 'invalid' ? 400 : status,
        page: problemPage(kind, brand),
        headers: problem.headers,
      });
    } else {
      sendProblem(res, problem, requestIdOf(res));
    }
  };
}
