/**
 * What a browser sees when a connect link or a callback does not hold. Unknown, used, expired, foreign and tampered look
 * exactly the same, so that nobody can find out which links exist.
 */
import { html } from './html.ts';
import { layout } from './layout.ts';

type Kind = 'invalid' | 'busy' | 'failure';

export function pageOfStatus(status: number): Kind {
  if (status === 429) return 'busy';
  return status >= 500 ? 'failure' : 'invalid';
}

export function problemPage(kind: Kind): string {
  if (kind === 'busy') {
    return layout({
      title: 'Please wait a moment',
      body: html`<h1>Please wait a moment</h1>
        <p>This link was opened many times in the last minutes. Nothing was connected.</p>
        <p>Finish in the tab that is open already, or wait a few minutes and open the link again.</p>`,
    });
  }
  return kind === 'invalid'
    ? layout({
        title: 'This link does not work',
        body: html`<h1>This link does not work</h1>
          <p>It may have been used already, or its time is over. Nothing was connected by opening it.</p>
          <p>Go back to the app that sent you here and start again.</p>`,
      })
    : layout({
        title: 'Please try again',
        body: html`<h1>Please try again</h1>
          <p>
            Something that is needed does not answer right now. Nothing was connected. Wait a moment, then
            reload this page.
          </p>`,
      });
}
