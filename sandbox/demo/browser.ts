/**
 * A browser as far as the story needs one: it keeps cookies per site, follows redirects, clicks links and submits forms.
 * Plain HTTP; it runs no script, and the pages need none.
 */

/** More hops than any of our flows has; a loop must end. */
const MAX_HOPS = 10;

export type Page = { readonly url: URL; readonly status: number; readonly html: string };

export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();
  /** Where it has been, for the timeline: hosts and paths without secrets are the caller's business. */
  readonly visited: URL[] = [];

  async open(url: string | URL): Promise<Page> {
    return this.#request(new URL(url), { method: 'GET' });
  }

  /** Follows the link whose address matches. @throws Error when the page has none. */
  async click(page: Page, address: RegExp): Promise<Page> {
    const hrefs = [...page.html.matchAll(/<a\b[^>]*\bhref="([^"]*)"/g)].map((match) =>
      unescapeHtml(match[1] ?? ''),
    );
    const href = hrefs.find((candidate) => address.test(candidate));
    if (href === undefined)
      throw new Error(`the page ${page.url.pathname} has no link like ${address.source}`);
    return this.open(new URL(href, page.url));
  }

  /** Submits the page's form with these fields. */
  async submit(page: Page, fields: Readonly<Record<string, string>>): Promise<Page> {
    const form = /<form\b([^>]*)>/.exec(page.html);
    if (!form) throw new Error(`the page ${page.url.pathname} has no form`);
    const action = /\baction="([^"]*)"/.exec(form[1] ?? '')?.[1];
    const target = action === undefined ? page.url : new URL(unescapeHtml(action), page.url);
    return this.#request(target, { method: 'POST', body: new URLSearchParams(fields) });
  }

  async #request(first: URL, init: RequestInit): Promise<Page> {
    let url = first;
    let request = init;
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      this.visited.push(url);
      const response = await fetch(url, {
        ...request,
        redirect: 'manual',
        headers: { cookie: this.#cookieHeader(url) },
      });
      this.#keepCookies(url, response);
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) {
        return { url, status: response.status, html: await response.text() };
      }
      await response.body?.cancel();
      url = new URL(location, url);
      request = { method: 'GET' };
    }
    throw new Error(`more than ${MAX_HOPS} redirects`);
  }

  #cookieHeader(url: URL): string {
    return [...(this.#cookies.get(url.host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  #keepCookies(url: URL, response: Response): void {
    const jar = this.#cookies.get(url.host) ?? new Map<string, string>();
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      jar.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
    }
    this.#cookies.set(url.host, jar);
  }
}

function unescapeHtml(text: string): string {
  return text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"');
}
