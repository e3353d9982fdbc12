/** The frame of every page: no script, one style sheet of our own, readable on a phone, in light and dark. */
import type { Html } from './html.ts';
import { html } from './html.ts';

export const STYLE_PATH = '/assets/bellhop.css';

export function layout(page: {
  title: string;
  body: Html;
  refresh?: { seconds: number; path: string };
  wide?: boolean;
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
      </head>
      <body>
        <main class="${page.wide ? 'wide' : 'card'}">${page.body}</main>
      </body>
    </html> `.text;
}
