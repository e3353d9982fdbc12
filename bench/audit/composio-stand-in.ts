/**
 * A stand-in Composio that holds a million accounts without keeping any: each is made when it is asked for. It knows the
 * account list, toolkits and what a worker asks at start, and when each request arrived. A process of its own.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { brokenAmong, indexOf, isBroken, userIdOf } from './population.ts';

const USERS = Number(process.env['STAND_IN_USERS'] ?? 0);
const LATENCY_MS = Number(process.env['STAND_IN_LATENCY_MS'] ?? 0);
const MAX_LIMIT = 100;
const WINDOW_MS = 60_000;
const MADE_AT = '2026-01-01T00:00:00.000Z';

const broken = brokenAmong(USERS);
/** When each request came, milliseconds, in order. */
const arrivals: number[] = [];

function account(index: number): object {
  const status = isBroken(index) ? 'EXPIRED' : 'ACTIVE';
  return {
    id: `ca_${index}`,
    user_id: userIdOf(index),
    status,
    status_reason: status === 'ACTIVE' ? null : 'The refresh token was refused.',
    toolkit: { slug: 'slack' },
    auth_config: { id: 'ac_slack', auth_scheme: 'OAUTH2', is_composio_managed: true, is_disabled: false },
    is_disabled: false,
    state: {
      authScheme: 'OAUTH2',
      val: { status, access_token: 'REDACTED', scope: 'chat:write,channels:read' },
    },
    created_at: MADE_AT,
    updated_at: MADE_AT,
  };
}

function listAccounts(query: URLSearchParams): object {
  const statuses = query.get('statuses')?.split(',') ?? ['ACTIVE', 'EXPIRED'];
  const limit = Math.min(Number(query.get('limit') ?? 20), MAX_LIMIT);
  const from = Number(query.get('cursor') ?? 0);
  const asked = query.get('user_ids')?.split(',').map(indexOf);
  const fits = (index: number): boolean => statuses.includes(isBroken(index) ? 'EXPIRED' : 'ACTIVE');
  const all = asked
    ? asked.filter((index) => index < USERS && fits(index))
    : statuses.includes('EXPIRED')
      ? broken
      : [];
  const items = all.slice(from, from + limit).map(account);
  const next = from + limit < all.length ? String(from + limit) : null;
  return { items, next_cursor: next, total_items: all.length };
}

/** The most that any window of a minute saw. */
function busiestMinute(): number {
  let most = 0;
  let first = 0;
  for (const [last, at] of arrivals.entries()) {
    while (at - (arrivals[first] ?? 0) >= WINDOW_MS) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

function answer(url: URL): object {
  if (url.pathname === '/figures') return { requests: arrivals.length, busiestMinute: busiestMinute() };
  arrivals.push(performance.now());
  if (url.pathname.endsWith('/connected_accounts')) return listAccounts(url.searchParams);
  if (url.pathname.includes('/toolkits/')) return { slug: 'slack', name: 'Slack' };
  return { items: [], next_cursor: null };
}

const server = createServer((request, response) => {
  void (async () => {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const body = JSON.stringify(answer(url));
    if (LATENCY_MS > 0 && url.pathname !== '/figures') await sleep(LATENCY_MS);
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  })();
});
server.listen(0, '127.0.0.1', () => {
  console.log(
    JSON.stringify({ ready: true, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
  );
});
