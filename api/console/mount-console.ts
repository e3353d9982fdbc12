/**
 * The console of operators, under /console: its files, and the exchange of an API key for a session. What it shows and does
 * goes over /v1 like any other caller's; none of this is in the API's document.
 */
import type { Express, Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { admit } from '../admit.ts';
import { forbidden, hasScope, unauthorized } from '../auth.ts';
import type { ApiDeps } from '../deps.ts';
import { readJsonBody } from '../json-body.ts';
import { parsePart } from '../parse-request.ts';
import { ApiProblem } from '../problem-codes.ts';
import type { ConsoleFile } from './console-files.ts';
import { readConsoleFiles } from './console-files.ts';
import { CONSOLE_HEADER } from './console-sessions.ts';

/** Script and style are files of ours; nothing inline, nothing of another host, no string that becomes HTML or script. */
const CSP =
  "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
/** Its name changes with its content. */
const FOR_EVER = 'public, max-age=31536000, immutable';
const NOT_BUILT = 'The console has not been built: npm run build:console, then start again.\n';

const signInSchema = z.strictObject({ key: z.string().min(1).max(1_000) });

export function mountConsole(server: Express, deps: ApiDeps): void {
  const files = readConsoleFiles(deps.console.folder);
  server.get('/console/session', async (req, res) => {
    const authorization = await deps.consoleSessions.authorizationOf(req.headers);
    if (authorization === null) throw unauthorized();
    await admitOperator(deps, req, authorization);
    sendSession(deps, res);
  });
  server.post('/console/session', async (req, res) => {
    if (req.headers[CONSOLE_HEADER] !== '1') throw unauthorized();
    const { key } = parsePart('body', signInSchema, await readJsonBody(req)) as z.output<typeof signInSchema>;
    await admitOperator(deps, req, `Bearer ${key}`);
    res.setHeader('set-cookie', deps.consoleSessions.open(key));
    sendSession(deps, res);
  });
  server.delete('/console/session', async (req, res) => {
    if (req.headers[CONSOLE_HEADER] !== '1') throw unauthorized();
    res.setHeader('set-cookie', await deps.consoleSessions.end(req.headers));
    res.status(204).end();
  });
  server.get('/console/assets/:name', (req, res) => {
    const file = files.assets.get(req.params.name);
    if (!file) throw new ApiProblem('not_found');
    sendFile(req, res, file, FOR_EVER);
  });
  const showPage: RequestHandler = (req, res) => {
    res.setHeader('content-security-policy', CSP);
    if (files.page) sendFile(req, res, files.page, 'no-cache');
    else res.status(503).type('text/plain').end(NOT_BUILT);
  };
  server.get('/console', showPage);
  server.get('/console/{*address}', showPage);
}

/** Runs and users are of the scope `runs`, the rest is of `operator`: the console is no use without both. */
async function admitOperator(deps: ApiDeps, req: Request, authorization: string): Promise<void> {
  const address = req.ip ?? '';
  const principal = await admit(deps, { authorization: [authorization], address });
  for (const scope of ['operator', 'runs'] as const) if (!hasScope(principal, scope)) throw forbidden(scope);
}

function sendSession({ brand, console: { tryIt, temporalUi } }: ApiDeps, res: Response): void {
  res.json({
    brand: brand.name,
    tryIt,
    workflowUrl:
      temporalUi === null
        ? null
        : `${temporalUi.url}/namespaces/${encodeURIComponent(temporalUi.namespace)}/workflows/`,
  });
}

function sendFile(req: Request, res: Response, file: ConsoleFile, cache: string): void {
  res.setHeader('content-type', file.contentType);
  res.setHeader('cache-control', cache);
  res.setHeader('vary', 'Accept-Encoding');
  const isZipped = /\bgzip\b/.test(req.headers['accept-encoding'] ?? '');
  if (isZipped) res.setHeader('content-encoding', 'gzip');
  res.end(isZipped ? file.gzip : file.bytes);
}
