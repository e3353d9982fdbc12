/** /openapi.json, /docs, the style sheet and the logo: what does not depend on who asks, rendered once at the start. */
import { readFileSync } from 'node:fs';
import type { Express, RequestHandler } from 'express';
import type { Brand } from './brand.ts';
import type { OpenApiDocument } from './openapi.ts';
import { docsPage } from './pages/docs-page.ts';
import { LOGO_PATH, STYLE_PATH } from './pages/layout.ts';
import { ApiProblem } from './problem-codes.ts';

// Long enough to spare a page its second request, short enough that a deployment shows at once.
const STYLE_CACHE = 'public, max-age=300';

export function mountDocuments(app: Express, document: OpenApiDocument, brand: Brand): void {
  const style = readFileSync(new URL('pages/bellhop.css', import.meta.url), 'utf8');
  serve(app, '/openapi.json', 'application/json; charset=utf-8', JSON.stringify(document));
  serve(app, '/docs', 'text/html; charset=utf-8', docsPage(document));
  serve(app, STYLE_PATH, 'text/css; charset=utf-8', style + brand.css, STYLE_CACHE);
  if (brand.logo) serve(app, LOGO_PATH, brand.logo.contentType, brand.logo.bytes, STYLE_CACHE);
}

function serve(app: Express, path: string, type: string, body: string | Buffer, cache?: string): void {
  const refuse: RequestHandler = () => {
    throw new ApiProblem('method_not_allowed', { headers: { allow: 'GET, HEAD' } });
  };
  app.get(path, (_req, res) => {
    res.setHeader('content-type', type);
    if (cache) res.setHeader('cache-control', cache);
    res.end(body);
  });
  app.all(path, refuse);
}
