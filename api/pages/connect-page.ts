/** The page behind connectUrl: which app, for whom, why, and one thing to do. It mints nothing and shows no prompt. */
import { html } from './html.ts';
import { layout } from './layout.ts';

export function connectPage(view: {
  appName: string;
  /** The user's display name, or their id. */
  forWhom: string;
  /** Host of PUBLIC_URL: who asks. */
  askedBy: string;
  waitingRuns: readonly string[];
  isReconnect: boolean;
  goPath: string;
}): string {
  const { appName, waitingRuns } = view;
  const verb = view.isReconnect ? 'Reconnect' : 'Connect';
  return layout({
    title: `${verb} ${appName}`,
    body: html`<h1>${verb} ${appName}</h1>
      <p>
        The assistant that works for <strong>${view.forWhom}</strong> asks you to connect a ${appName}
        account, so that it can act with it.
      </p>
      <dl>
        <dt>App</dt>
        <dd>${appName}</dd>
        <dt>For</dt>
        <dd>${view.forWhom}</dd>
        <dt>Asked by</dt>
        <dd>${view.askedBy}</dd>
        <dt>Why</dt>
        <dd>${why(waitingRuns)}</dd>
      </dl>
      <a class="action" href="${view.goPath}" rel="nofollow">Continue to ${appName}</a>
      <p class="soft">
        Go on only if you are ${view.forWhom} and expected this. Whoever goes on connects their own ${appName}
        account for ${view.forWhom}.
      </p>`,
  });
}

function why(runs: readonly string[]): string {
  if (runs.length === 0) return 'To be ready for later tasks';
  return runs.length === 1 ? 'A task waits for it' : `${runs.length} tasks wait for it`;
}
