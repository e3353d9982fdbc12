/** What the browser sees after the provider: finished, not yet, or refused. */
import { html } from './html.ts';
import { layout } from './layout.ts';

// Composio shows a new account within seconds; a reload as often does no harm.
const RELOAD_SECONDS = 2;

export function finishedPage({ appName }: { appName: string }): string {
  return layout({
    title: `${appName} is connected`,
    body: html`<h1>${appName} is connected</h1>
      <p>What was waiting for it goes on by itself. You can close this page.</p>`,
  });
}

export function finishingPage(page: { appName: string; path: string; seconds?: number }): string {
  const { appName, path, seconds = RELOAD_SECONDS } = page;
  return layout({
    title: `Finishing with ${appName}`,
    refresh: { seconds, path },
    body: html`<h1>Finishing</h1>
      <p role="status">Your ${appName} account is being set up. This page looks again by itself.</p>
      <p class="soft">If nothing happens, <a href="${path}">look again</a>.</p>`,
  });
}

export function refusedPage({ appName, connectPath }: { appName: string; connectPath: string }): string {
  return layout({
    title: `${appName} was not connected`,
    body: html`<h1>${appName} was not connected</h1>
      <p>You or ${appName} said no, so nothing was connected.</p>
      <a class="action" href="${connectPath}">Try again</a>`,
  });
}
