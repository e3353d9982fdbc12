/**
 * The settings page of an end user, under /portal: pages and forms, so none of it is in the API's document. Every request
 * is this session's user's, whatever a form says; what changes something carries the session's form token.
 */
import { readFileSync } from 'node:fs';
import type { Express, Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { sha256 } from '../../db/ids.ts';
import type { ApiDeps } from '../deps.ts';
import { dropConnection } from '../drop-connection.ts';
import { readRawBody } from '../json-body.ts';
import { openConnection } from '../open-connection.ts';
import { PORTAL_SCRIPT_PATH, portalApps, portalPage, portalRefusal } from '../pages/portal-page.ts';
import { pageOfStatus, problemPage } from '../pages/problem-page.ts';
import { ApiProblem, PROBLEMS } from '../problem-codes.ts';
import { toProblem } from '../problems.ts';
import { app } from '../schemas/common.ts';
import type { PortalSession } from './portal-sessions.ts';
import { standingOfLink, visitPortal } from './portal-visits.ts';
import { readPortal } from './read-portal.ts';

/** The script asks for the list, forms go to us; the rest is as on every page. */
const CSP =
  "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/** Was good once, and is not any more. */
const GONE = 410;
const SCRIPT_CACHE = 'public, max-age=300';

type Visit = { readonly req: Request; readonly res: Response; readonly session: PortalSession };

export function mountPortal(server: Express, deps: ApiDeps): void {
  const script = readFileSync(new URL('../pages/portal.js', import.meta.url), 'utf8');
  server.get(PORTAL_SCRIPT_PATH, (_req, res) => {
    res.setHeader('content-type', 'text/javascript; charset=utf-8');
    res.setHeader('cache-control', SCRIPT_CACHE);
    res.end(script);
  });
  server.get(
    '/portal/open/:token',
    guard(deps, (req, res) => enter(deps, req, res)),
  );
  server.get(
    '/portal',
    withSession(deps, (visit) => showPage(deps, visit)),
  );
  server.get(
    '/portal/apps',
    withSession(deps, (visit) => showApps(deps, visit)),
  );
  server.post(
    '/portal/connect',
    withForm(deps, connectForm, (visit, form) => connect(deps, visit, form)),
  );
  server.post(
    '/portal/disconnect',
    withForm(deps, disconnectForm, async ({ res, session }, { accountId }) => {
      await dropConnection(deps, session.userId, accountId).catch((error: unknown) => {
        // Gone meanwhile is what was wanted.
        if (!(error instanceof ApiProblem && error.code === 'not_found')) throw error;
      });
      seeOther(res, '/portal');
    }),
  );
}

const formToken = z.string().max(200);
const connectForm = z.strictObject({ form: formToken, app, reconnect: z.literal('true').optional() });
const disconnectForm = z.strictObject({ form: formToken, accountId: z.string().max(200) });

/** The link is in nobody's address bar for longer than a redirect. */
async function enter(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const token = String(req.params['token']);
  const link = sha256(token);
  const session = deps.portalSessions.find(req.headers.cookie ?? '');
  // Again in the browser that has opened it, also when the link's own time is over.
  if (session?.link.equals(link)) return seeOther(res, '/portal');
  const ask = deps.portalSessions.openLink(token);
  const standing = ask && (await standingOfLink(deps.db, ask, link));
  if (!ask || standing === 'over') throw new ApiProblem('not_found');
  if (standing === 'good') {
    res.setHeader('set-cookie', deps.portalSessions.enter(token, ask));
    return seeOther(res, '/portal');
  }
  // The same user's page is open here already, by another link.
  if (session?.userId === ask.userId && (await visitPortal(deps.db, session)) === 'good')
    return seeOther(res, '/portal');
  sendPage(res, GONE, portalRefusal('used', deps.brand));
}

async function showPage(deps: ApiDeps, { req, res, session }: Visit): Promise<void> {
  const view = await readPortal(deps, session, { fresh: true, log: req.log });
  sendPage(res, 200, portalPage({ brand: deps.brand, view, formToken: session.formToken }));
}

async function showApps(deps: ApiDeps, { req, res, session }: Visit): Promise<void> {
  const view = await readPortal(deps, session, { fresh: false, log: req.log });
  sendPage(res, 200, portalApps({ view, formToken: session.formToken }).text);
}

async function connect(
  deps: ApiDeps,
  { res, session }: Visit,
  form: z.output<typeof connectForm>,
): Promise<void> {
  const reconnect = form.reconnect === 'true';
  const opened = await openConnection(deps, session.userId, { app: form.app, reconnect, returnUrl: null });
  seeOther(res, opened.kind === 'connected' ? '/portal' : `/connect/${opened.flow.token}`);
}

/** What goes wrong is a page, as on every browser's route. */
function guard(deps: ApiDeps, work: (req: Request, res: Response) => Promise<void>): RequestHandler {
  return async (req, res) => {
    res.setHeader('content-security-policy', CSP);
    try {
      await work(req, res);
    } catch (error) {
      const problem = toProblem(error);
      const { status } = PROBLEMS[problem.code];
      if (status >= 500) req.log.error({ err: error }, 'request failed');
      const kind = pageOfStatus(status);
      sendPage(res, kind === 'invalid' ? 400 : status, problemPage(kind, deps.brand));
    }
  };
}

function withSession(deps: ApiDeps, work: (visit: Visit) => Promise<void>): RequestHandler {
  return guard(deps, async (req, res) => {
    const session = deps.portalSessions.find(req.headers.cookie ?? '');
    const standing = session && (await visitPortal(deps.db, session));
    if (session && standing === 'good') await work({ req, res, session });
    else if (standing === 'used') sendPage(res, GONE, portalRefusal('used', deps.brand));
    else sendPage(res, 401, portalRefusal('signedOut', deps.brand));
  });
}

function withForm<T extends { form: string }>(
  deps: ApiDeps,
  schema: z.ZodType<T>,
  work: (visit: Visit, form: T) => Promise<void>,
): RequestHandler {
  return withSession(deps, async (visit) => {
    const { req, res, session } = visit;
    const form = schema.safeParse(await readForm(req));
    // No Origin: with our referrer policy browsers send `null`. Sec-Fetch-Site they all send by now.
    const site = req.headers['sec-fetch-site'] ?? 'same-origin';
    if (form.success && site === 'same-origin' && deps.portalSessions.isFormToken(session, form.data.form))
      await work(visit, form.data);
    else sendPage(res, 403, portalRefusal('staleForm', deps.brand));
  });
}

async function readForm(req: Request): Promise<Record<string, string>> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(req.headers['content-type'] ?? '')) return {};
  return Object.fromEntries(new URLSearchParams((await readRawBody(req)).toString('utf8')));
}

function sendPage(res: Response, status: number, page: string): void {
  res.status(status);
  res.setHeader('content-type', 'text/html; charset=utf-8');
  res.end(page);
}

function seeOther(res: Response, location: string): void {
  res.status(303);
  res.setHeader('location', location);
  res.end();
}
