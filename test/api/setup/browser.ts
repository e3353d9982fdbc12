/** A browser as far as the connect flow needs one: it keeps cookies per host and follows one link at a time. */
import { setTimeout } from 'node:timers/promises';
import { until } from '../../setup/until.ts';
import { send } from './api.ts';

export type Page = {
  readonly status: number;
  readonly location: string | null;
  readonly text: string;
  /** All but what differs from one answer to the next by nature. */
  readonly headers: Readonly<Record<string, unknown>>;
};
export type Browser = {
  /** Absolute address; nothing is followed. */
  get(address: string, headers?: Record<string, string>): Promise<Page>;
  /** The same; a page that comes again by itself ("finishing") is looked at again, as a browser does, until it says how it ended. */
  visit(address: string, headers?: Record<string, string>): Promise<Page>;
  readonly cookies: Map<string, string>;
};

export function createBrowser(): Browser {
  const cookies = new Map<string, string>();
  const get: Browser['get'] = async (address, headers = {}) => {
    const url = new URL(address);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await send(url.origin, 'GET', url.pathname + url.search, {
      headers: { ...(cookie === '' ? {} : { cookie }), ...headers },
    });
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
      const [pair = ''] = line.split(';', 1);
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    return {
      status: answer.status,
      location: (answer.headers['location'] as string) ?? null,
      text: answer.text,
      headers: Object.fromEntries(
        Object.entries(answer.headers).filter(([name]) => !['date', 'x-request-id'].includes(name)),
      ),
    };
  };
  return {
    cookies,
    get,
    visit: async (address, headers) => {
      let page = await get(address, headers);
      await until('an end of "finishing"', async () => {
        const again = /http-equiv="refresh" content="\d+; url=([^"]+)"/.exec(page.text)?.[1];
        if (again === undefined) return true;
        // Sooner than the page asks for: nobody else comes.
        await setTimeout(200);
        page = await get(new URL(again.replaceAll('&amp;', '&'), address).href, headers);
        return false;
      });
      return page;
    },
  };
}
