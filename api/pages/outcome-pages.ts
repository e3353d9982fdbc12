/** What the browser sees after the provider: finished, not yet, or refused. */
import type { Brand } from '../brand.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';
import { OUTCOMES, PORTAL } from './texts.ts';

// Composio shows a new account within seconds; a reload as often does no harm.
const RELOAD_SECONDS = 2;

type Page = { readonly brand: Brand; readonly appName: string };

/** @param backToPortal the browser came from the user's settings page. */
export function finishedPage({ brand, appName, backToPortal }: Page & { backToPortal: boolean }): string {
  const { title, next } = OUTCOMES.finished;
  return layout({
    brand,
    title: title(appName),
    body: html`<h1>${title(appName)}</h1>
      <p>${next}</p>
      ${backToPortal ? html`<a class="action" href="/portal">${PORTAL.back}</a>` : null}`,
  });
}

/** Only for the browser that connected it, which has the cookie of it: a reload leads here. */
export function alreadyConnectedPage({ brand, appName }: Page): string {
  const { title, next } = OUTCOMES.already;
  return layout({
    brand,
    title: title(appName),
    body: html`<h1>${title(appName)}</h1>
      <p>${next}</p>`,
  });
}

export function finishingPage(page: Page & { path: string; seconds?: number }): string {
  const { brand, appName, path, seconds = RELOAD_SECONDS } = page;
  const texts = OUTCOMES.finishing;
  return layout({
    brand,
    title: texts.title(appName),
    refresh: { seconds, path },
    body: html`<h1>${texts.heading}</h1>
      <p role="status">${texts.status(appName)}</p>
      <p class="soft">${texts.fallback} <a href="${path}">${texts.again}</a>.</p>`,
  });
}

export function refusedPage({ brand, appName, connectPath }: Page & { connectPath: string }): string {
  const texts = OUTCOMES.denied;
  return layout({
    brand,
    title: texts.title(appName),
    body: html`<h1>${texts.title(appName)}</h1>
      <p>${texts.status(appName)}</p>
      <a class="action" href="${connectPath}">${texts.again}</a>`,
  });
}
