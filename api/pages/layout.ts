/**
 * The frame of every page: no script that it would need, one style sheet of our own, readable on a phone, in light and
 * dark. Whose page it is stands above it.
 */
import type { Brand } from '../brand.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';

export const STYLE_PATH = '/assets/bellhop.css';
export const LOGO_PATH = '/assets/logo';

/** Pixels; the style sheet says the same in rem. Only the shape counts, for the room that is kept. */
const LOGO_HEIGHT = 28;

export function layout(page: {
  title: string;
  body: Html;
  refresh?: { seconds: number; path: string };
  wide?: boolean;
  /** Null: a page for developers, which is nobody's brand. */
  brand: Brand | null;
  /** Same-origin, and the page works without it. */
  script?: string;
}): string {
  const refresh = page.refresh
    ? html`<meta http-equiv="refresh" content="${page.refresh.seconds}; url=${page.refresh.path}" />`
    : null;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="color-scheme" content="light dark" />
        ${refresh}
        <title>${page.title}</title>
        <link rel="stylesheet" href="${STYLE_PATH}" />
        ${page.script === undefined ? null : html`<script type="module" src="${page.script}"></script>`}
      </head>
      <body>
        ${page.brand ? masthead(page.brand) : null}
        <main class="${page.wide ? 'wide' : 'card'}">${page.body}</main>
      </body>
    </html> `.text;
}

/** The name stands beside a logo too: not every logo says it. */
function masthead({ name, logo }: Brand): Html {
  return html`<header class="brand">
    ${logo ? html`<img src="${LOGO_PATH}" alt="" width="${Math.round(LOGO_HEIGHT * logo.shape)}" height="${LOGO_HEIGHT}" />` : null}<span
      >${name}</span
    >
  </header>`;
}
