/** The Express application. Holds no resource of its own: what it uses comes in, and whoever made that closes it. */
import express from 'express';
import type { ApiDeps } from './deps.ts';
import { mountConsole } from './console/mount-console.ts';
import { mountDocuments } from './documents.ts';
import { requireOneHost } from './host-header.ts';
import { mountPortal } from './portal/mount-portal.ts';
import { mountRoutes } from './mount-routes.ts';
import { createOpenApiDocument } from './openapi.ts';
import { createRequestLog } from './request-log.ts';
import { ROUTES } from './routes.ts';
import { createSecurityHeaders } from './security-headers.ts';

export const API_VERSION = '1.0.0';

export function createApp(deps: ApiDeps): express.Express {
  const app = express();
  app.disable('x-powered-by');
  // Answers are not to be cached, so an ETag would only cost.
  app.disable('etag');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  // Queries are parsed strictly, once, in query-string.ts.
  app.set('query parser', false);
  // For `req.ip` alone: what else such headers say is read nowhere, or is proved otherwise.
  app.set('trust proxy', [...(deps.trustedProxies ?? [])]);
  if (deps.trace) app.use(deps.trace);
  app.use(createRequestLog(deps.logger), createSecurityHeaders(deps), requireOneHost);
  mountDocuments(
    app,
    createOpenApiDocument(ROUTES, { url: deps.publicUrl, version: API_VERSION }),
    deps.brand,
  );
  mountPortal(app, deps);
  mountConsole(app, deps);
  mountRoutes(app, ROUTES, deps);
  return app;
}
