/**
 * What a browser sees when a connect link or a callback does not hold. Unknown, used, expired, foreign and tampered look
 * exactly the same, so that nobody can find out which links exist.
 */
import { html } from './html.ts';
import { layout } from './layout.ts';

export function problemPage(kind: 'invalid' | 'failure'): string {
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
