/** The pages a browser sees at a connect link: plain forms, no script, readable on a phone and by a screen reader. */

const STYLE = `
:root { color-scheme: light dark; --line: #d5d9e0; --quiet: #5b6472; --accent: #2f5bea; --paper: #fff; --ground: #f3f5f9; --ink: #161a22; }
@media (prefers-color-scheme: dark) { :root { --line: #333a47; --quiet: #a3adbd; --accent: #8aa6ff; --paper: #191d25; --ground: #101319; --ink: #eef1f6; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: min(28rem, 100%); background: var(--paper); border: 1px solid var(--line); border-radius: 1rem; padding: 2rem; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .5rem; }
p { margin: 0 0 1rem; } .quiet { color: var(--quiet); font-size: .9rem; }
ul { margin: 0 0 1.25rem; padding-left: 1.25rem; } li { margin: .25rem 0; }
label { display: block; font-weight: 600; margin-bottom: .35rem; }
input { width: 100%; font: inherit; padding: .6rem .75rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--ground); color: inherit; margin-bottom: 1.25rem; }
.actions { display: flex; gap: .75rem; flex-wrap: wrap; }
button { flex: 1 1 9rem; min-height: 2.75rem; font: inherit; font-weight: 600; border-radius: .5rem; border: 1px solid var(--line); background: transparent; color: inherit; cursor: pointer; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--paper); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }`;

export function consentPage(ask: {
  readonly app: string;
  readonly consents: readonly string[];
  readonly userId: string;
  readonly suggestedName: string;
  readonly returnsTo: string | null;
}): string {
  const app = escapeHtml(ask.app);
  const back =
    ask.returnsTo === null ? '' : ` Afterwards you go back to <strong>${escapeHtml(ask.returnsTo)}</strong>.`;
  return document(
    `Connect ${app}`,
    `<h1>Connect your ${app} account</h1>
<p>An assistant that acts for <strong>${escapeHtml(ask.userId)}</strong> asks for access to ${app}. It would be able to:</p>
<ul>${ask.consents.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>
<form method="post">
<label for="account">Sign in to ${app} as</label>
<input id="account" name="account" value="${escapeHtml(ask.suggestedName)}" autocomplete="off" maxlength="200" required>
<div class="actions">
<button class="primary" name="decision" value="approve">Approve</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</div>
</form>
<p class="quiet" style="margin:1.25rem 0 0">This page stands in for ${app} and Composio: no real account is touched.${back}</p>`,
  );
}

export function endPage(title: string, line: string): string {
  return document(title, `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(line)}</p>`);
}

/** The same for unknown, used and expired links. */
export function gonePage(): string {
  return endPage('This link has expired', 'Go back to where you came from and ask for a new link.');
}

function document(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><main>${body}</main></body>
</html>
`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
