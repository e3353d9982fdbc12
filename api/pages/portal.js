/**
 * Keeps the settings page up to date: looks every few seconds while somebody looks at the page, and replaces the list when
 * it has changed. The page works without it.
 */
/** A person who has just connected an account in another tab comes back to a page that knows it. It costs us one read of rows. */
const EVERY_MS = 3_000;

const list = document.getElementById('apps');
const live = document.getElementById('live');
let last = '';

async function look() {
  if (document.hidden) return;
  const answer = await fetch('/portal/apps', { headers: { accept: 'text/html' } });
  if (answer.status === 401 || answer.status === 410) location.reload();
  if (!answer.ok) return;
  const text = await answer.text();
  // Somebody who is about to disconnect must not have the question taken away.
  if (text === last || list.querySelector('details[open]')) return;
  const isFirst = last === '';
  const parsed = new DOMParser().parseFromString(text, 'text/html');
  // The first look only learns what is there: the page was fresh.
  if (!isFirst && list.textContent !== parsed.body.textContent) {
    const focused = focusKey(document.activeElement);
    list.replaceChildren(...parsed.body.childNodes);
    if (focused) [...list.querySelectorAll('button, summary')].find((e) => focusKey(e) === focused)?.focus();
    live.textContent = live.dataset.changed;
  }
  last = text;
}

function focusKey(element) {
  return list.contains(element) ? `${element.tagName} ${element.textContent.trim()}` : null;
}

/** What does not arrive is asked for again soon. */
function tryToLook() {
  look().catch(() => undefined);
}

live.textContent = live.dataset.live;
setInterval(tryToLook, EVERY_MS);
document.addEventListener('visibilitychange', tryToLook);
