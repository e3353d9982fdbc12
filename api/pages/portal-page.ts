/** A user's settings page: each app with its account, what waits for it, and what can be done. Works without script. */
import type { Brand } from '../brand.ts';
import type { PortalApp, PortalView } from '../portal/read-portal.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';
import { PORTAL, PORTAL_REFUSALS } from './texts.ts';

export const PORTAL_SCRIPT_PATH = '/assets/portal.js';

export function portalPage(page: { brand: Brand; view: PortalView; formToken: string }): string {
  return layout({
    title: PORTAL.title,
    brand: page.brand,
    script: PORTAL_SCRIPT_PATH,
    body: html`<h1>${PORTAL.title}</h1>
      <p>${PORTAL.lead(page.view.forWhom)}</p>
      <div id="apps">${portalApps(page)}</div>
      <p
        class="soft"
        id="live"
        role="status"
        data-live="${PORTAL.live}"
        data-changed="${PORTAL.changed}"
      ></p>`,
  });
}

/** The part that the page replaces by itself. What needs the user most comes first, and is the one thing to do here. */
export function portalApps({ view, formToken }: { view: PortalView; formToken: string }): Html {
  if (view.apps.length === 0) return html`<p class="empty">${PORTAL.empty}</p>`;
  const mostUrgent = view.apps.find(isUrgent);
  return html`${view.isStale ? html`<p class="notice">${PORTAL.stale}</p>` : null}
    <ul class="apps">
      ${view.apps.map((app) => html`<li>${appSection(app, { formToken, isPrimary: app === mostUrgent })}</li>`)}
    </ul>`;
}

function isUrgent({ isConnected, accounts, waiting }: PortalApp): boolean {
  return !isConnected && (accounts.length > 0 || waiting > 0);
}

type Form = { readonly formToken: string };

function appSection(app: PortalApp, { formToken, isPrimary }: Form & { isPrimary: boolean }): Html {
  const best = app.accounts[0];
  const status = PORTAL.statuses[best?.status ?? 'none'];
  const kind = app.isConnected ? 'good' : best ? 'bad' : 'none';
  return html`<section aria-labelledby="${app.app}">
    <div class="head">
      <h2 id="${app.app}">${app.name}</h2>
      <span class="status ${kind}">${status}</span>
    </div>
    ${app.accounts.map(accountFacts)} ${waitingTasks(app)}
    <form method="post" action="/portal/connect">
      ${hidden('form', formToken)} ${hidden('app', app.app)} ${best ? hidden('reconnect', 'true') : null}
      <button class="${isPrimary ? 'action' : 'quiet'}">
        ${best ? PORTAL.reconnect : PORTAL.connect}<span class="visually-hidden"> ${app.name}</span>
      </button>
    </form>
    ${app.accounts.map((account) => disconnect(account, { app, formToken }))}
  </section>`;
}

function accountFacts({ accountId, connectedAt }: PortalApp['accounts'][number]): Html {
  return html`<dl class="account">
    ${
      connectedAt === null
        ? null
        : html`<dt>${PORTAL.since}</dt>
            <dd><time datetime="${connectedAt}">${day(connectedAt)}</time></dd>`
    }
    <dt>${PORTAL.account}</dt>
    <dd><code>${accountId}</code></dd>
  </dl>`;
}

/** Below what there is to do, and folded: it is asked once more before it happens. */
function disconnect(
  { accountId }: PortalApp['accounts'][number],
  { app, formToken }: Form & { app: PortalApp },
): Html {
  const which = app.accounts.length > 1 ? html` <code>${accountId}</code>` : null;
  return html`<details id="drop-${accountId}">
    <summary>${PORTAL.disconnect}${which}<span class="visually-hidden"> ${app.name}</span></summary>
    <p class="soft">${PORTAL.disconnectWarning(app.name)}</p>
    <form method="post" action="/portal/disconnect">
      ${hidden('form', formToken)} ${hidden('accountId', accountId)}
      <button class="danger">${PORTAL.disconnectNow}</button>
    </form>
  </details>`;
}

function waitingTasks({ waiting, waitingTasks: texts }: PortalApp): Html | null {
  if (waiting === 0) return null;
  const rest = waiting - texts.length;
  return html`<div class="waiting">
    <p>${PORTAL.waiting(waiting)}</p>
    <ul>
      ${texts.map((text) => html`<li>${text}</li>`)} ${rest > 0 ? html`<li>${PORTAL.more(rest)}</li>` : null}
    </ul>
  </div>`;
}

function hidden(name: string, value: string): Html {
  return html`<input type="hidden" name="${name}" value="${value}" />`;
}

/** `21 November 2026`. A day is all that matters here, and needs no time zone of the reader. */
function day(time: string): string {
  return new Date(time).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  });
}

export function portalRefusal(kind: keyof typeof PORTAL_REFUSALS, brand: Brand): string {
  const { title, body } = PORTAL_REFUSALS[kind];
  return layout({
    brand,
    title,
    body: html`<h1>${title}</h1>
      ${body.map((text) => html`<p>${text}</p>`)}
      ${kind === 'staleForm' ? html`<a class="action" href="/portal">${PORTAL.back}</a>` : null}`,
  });
}
