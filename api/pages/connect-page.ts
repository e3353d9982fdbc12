/** The page behind connectUrl: which app, for whom, why, and one thing to do. It mints nothing and shows no prompt. */
import type { Brand } from '../brand.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';
import { CONNECT } from './texts.ts';

export function connectPage(view: {
  brand: Brand;
  appName: string;
  /** The user's display name, or their id. */
  forWhom: string;
  /** Host of PUBLIC_URL: who asks. */
  askedBy: string;
  waitingRuns: readonly string[];
  isReconnect: boolean;
  goPath: string;
}): string {
  const { appName, forWhom } = view;
  const title = CONNECT.title(appName, view.isReconnect);
  const { facts } = CONNECT;
  return layout({
    title,
    brand: view.brand,
    body: html`<h1>${title}</h1>
      <p>${CONNECT.lead(appName, forWhom)}</p>
      <dl>
        <dt>${facts.app}</dt>
        <dd>${appName}</dd>
        <dt>${facts.forWhom}</dt>
        <dd>${forWhom}</dd>
        <dt>${facts.askedBy}</dt>
        <dd>${view.askedBy}</dd>
        <dt>${facts.why}</dt>
        <dd>${CONNECT.why(view.waitingRuns)}</dd>
      </dl>
      <a class="action" href="${view.goPath}" rel="nofollow">${CONNECT.go(appName)}</a>
      <p class="soft">${CONNECT.warning(appName, forWhom)}</p>`,
  });
}
