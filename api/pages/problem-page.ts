/**
 * What a browser sees when a link or a callback does not hold. Unknown, used, expired, foreign and tampered look exactly
 * the same, so that nobody can find out which links exist.
 */
import type { Brand } from '../brand.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';
import { REFUSALS } from './texts.ts';

type Kind = keyof typeof REFUSALS;

export function pageOfStatus(status: number): Kind {
  if (status === 429) return 'busy';
  return status >= 500 ? 'failure' : 'invalid';
}

export function problemPage(kind: Kind, brand: Brand): string {
  const { title, body } = REFUSALS[kind];
  return layout({
    brand,
    title,
    body: html`<h1>${title}</h1>
      ${body.map((text) => html`<p>${text}</p>`)}`,
  });
}
