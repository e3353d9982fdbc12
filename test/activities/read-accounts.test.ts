/** Reading many users' accounts by one question, against a stand-in that does what a test says to each of them. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readAccounts } from '../../activities/read-accounts.ts';
import { createComposio } from '../../composio/create-composio.ts';
import { ComposioFailure } from '../../composio/failure.ts';
import type { ComposioPort } from '../../composio/port.ts';
import { BROKEN_STATUSES, type SkipReason } from '../../domain/statuses.ts';
import { type Asked, type ScriptedServer, createScriptedServer } from '../composio/scripted-server.ts';

type Answer = { readonly status: number; readonly body?: unknown; readonly type?: string } | 'reset';
type Rule = (asked: { readonly userIds: readonly string[]; readonly cursor: string | null }) => Answer | null;

const users = Array.from({ length: 100 }, (_, i) => `user-${String(i).padStart(3, '0')}`);
const idOf = (index: number): string => users[index] ?? '';
let server: ScriptedServer;
let composio: ComposioPort;
let rules: Rule[] = [];
let pageLimit = 100;
/** Every third user has an account that does not work. */
const brokenUsers = users.filter((_, i) => i % 3 === 0);
const account = (userId: string, n = 0) => ({
  id: `ca_${userId}_${n}`,
  user_id: userId,
  status: 'EXPIRED',
  toolkit: { slug: 'slack' },
  created_at: '2026-01-01T00:00:00Z',
});

function answer({ url }: Asked): Answer {
  const query = new URL(url, 'http://x').searchParams;
  const userIds = query.get('user_ids')?.split(',') ?? [];
  const cursor = query.get('cursor');
  for (const rule of rules) {
    const said = rule({ userIds, cursor });
    if (said) return said;
  }
  const from = Number(cursor ?? 0);
  const limit = Math.min(pageLimit, Number(query.get('limit')));
  const all = userIds.filter((id) => brokenUsers.includes(id)).map((id) => account(id));
  const next = from + limit < all.length ? String(from + limit) : null;
  return { status: 200, body: { items: all.slice(from, from + limit), next_cursor: next } };
}

beforeAll(async () => {
  server = await createScriptedServer((asked, response) => {
    const said = answer(asked);
    if (said === 'reset') return void response.destroy();
    response.writeHead(said.status, { 'content-type': said.type ?? 'application/json' });
    response.end(typeof said.body === 'string' ? said.body : JSON.stringify(said.body ?? {}));
  });
  composio = createComposio({
    apiKey: 'key',
    baseUrl: server.url,
    authConfigs: new Map(),
    sdk: 'composio-core',
    deadlines: { readMs: 2_000 },
  });
});
afterAll(() => server.close());
beforeEach(() => {
  rules = [];
  pageLimit = 100;
  server.asked.length = 0;
});

async function read(userIds: readonly string[] = users) {
  let requests = 0;
  const { signal } = new AbortController();
  const options = { signal, isPatient: true, onRequest: () => void (requests += 1) };
  const reading = await readAccounts(composio, { userIds, statuses: BROKEN_STATUSES }, options);
  expect(requests).toBe(server.asked.length);
  return {
    owners: reading.accounts.map((one) => one.entityId).sort(),
    unreadable: reading.unreadable
      .toSorted((a, b) => a.userId.localeCompare(b.userId))
      .map((one) => [one.userId, one.reason]),
    requests,
  };
}
const about =
  (userId: string, said: Answer): Rule =>
  ({ userIds }) =>
    userIds.includes(userId) ? said : null;
const item = (changes: object) => ({ status: 200, body: { items: [{ ...account(idOf(42)), ...changes }] } });

describe('a question about a hundred users', () => {
  test('is one request', async () => {
    expect(await read()).toEqual({ owners: brokenUsers, unreadable: [], requests: 1 });
  });

  test('follows a server whose pages are smaller than asked, to the end', async () => {
    pageLimit = 7;
    expect(await read()).toEqual({ owners: brokenUsers, unreadable: [], requests: 5 });
  });

  test('leaves out accounts of users whom it did not ask about', async () => {
    rules = [
      ({ userIds }) => ({ status: 200, body: { items: [...userIds, 'mallory'].map((id) => account(id)) } }),
    ];
    const { owners } = await read(['user-001', 'user-002']);
    expect(owners).toEqual(['user-001', 'user-002']);
  });

  test.each([
    ['the same cursor for ever', (cursor: string | null) => cursor ?? 'a'],
    ['two cursors in turn', (cursor: string | null) => (cursor === 'a' ? 'b' : 'a')],
  ])('ends where cursors repeat, with all that was seen, nobody skipped (%s)', async (_name, next) => {
    rules = [
      ({ userIds, cursor }) => ({
        status: 200,
        body: {
          items: userIds.filter((id) => brokenUsers.includes(id)).map((id) => account(id)),
          next_cursor: next(cursor),
        },
      }),
    ];
    const { owners, unreadable, requests } = await read();
    expect({ owners, unreadable }).toEqual({ owners: brokenUsers, unreadable: [] });
    expect(requests).toBeLessThanOrEqual(3);
  });
});

describe('one user who cannot be read among a hundred', () => {
  const poison = idOf(42);
  test.each<[string, Answer, SkipReason, number]>([
    ['400', { status: 400 }, 'refused', 20],
    ['422', { status: 422 }, 'refused', 20],
    ['a firewall’s page', { status: 403, type: 'text/html', body: '<html>' }, 'refused', 20],
    ['413', { status: 413 }, 'refused', 20],
    ['500 each time', { status: 500 }, 'failing', 30],
    ['a connection that breaks each time', 'reset', 'failing', 30],
    ['an answer that is no JSON', { status: 200, body: '{"items": [' }, 'failing', 30],
    ['an answer of another shape', { status: 200, body: { accounts: [] } }, 'failing', 30],
    ['an account without an owner', item({ user_id: null }), 'malformed', 20],
    ['an item that is a text', { status: 200, body: { items: ['x'] } }, 'malformed', 20],
  ])('is found by halving, and the others are read (%s)', async (_name, said, reason, most) => {
    rules = [about(poison, said)];
    const { owners, unreadable, requests } = await read();
    expect(unreadable).toEqual([[poison, reason]]);
    expect(owners).toEqual(brokenUsers.filter((id) => id !== poison));
    expect(requests).toBeLessThan(most);
  });

  test.each([
    ['id', { id: '' }],
    ['app', { toolkit: null }],
    ['status', { status: 7 }],
  ])('is known at once where the account without %s says whose it is', async (_what, changes) => {
    const broken = { ...account(poison), ...changes };
    rules = [
      ({ userIds }) => ({
        status: 200,
        body: {
          items: [...userIds.filter((id) => brokenUsers.includes(id)).map((id) => account(id)), broken],
        },
      }),
    ];
    const { owners, unreadable, requests } = await read();
    expect(unreadable).toEqual([[poison, 'malformed']]);
    expect(owners).toEqual(brokenUsers.filter((id) => id !== poison));
    expect(requests).toBe(1);
  });

  test.each([
    ['ever new accounts', (n: number) => [account(idOf(42), n)]],
    ['empty pages', () => []],
  ])('whose list never ends is given up after a bounded number of pages (%s)', async (_name, items) => {
    rules = [
      ({ userIds, cursor }) => {
        if (!userIds.includes(poison)) return null;
        const n = Number(cursor ?? 0) + 1;
        return { status: 200, body: { items: items(n), next_cursor: String(n) } };
      },
    ];
    const { owners, unreadable, requests } = await read();
    expect(unreadable).toEqual([[poison, 'endless']]);
    expect(owners).toEqual(brokenUsers.filter((id) => id !== poison));
    expect(requests).toBeLessThan(410);
  });
});

test('any set of users who cannot be read is told apart from all others', async () => {
  const reason = fc.constantFrom<SkipReason>('refused', 'failing', 'malformed');
  const poisons = fc.uniqueArray(fc.tuple(fc.nat(99), reason), {
    maxLength: 6,
    selector: ([index]) => index,
  });
  await fc.assert(
    fc.asyncProperty(poisons, async (chosen) => {
      const said = {
        refused: { status: 400 },
        failing: { status: 502 },
        malformed: item({ user_id: 3 }),
      } as const;
      server.asked.length = 0;
      rules = chosen.map(([index, why]) => about(idOf(index), said[why as keyof typeof said]));
      const { owners, unreadable, requests } = await read();
      expect(unreadable.map(([id]) => id)).toEqual(chosen.map(([index]) => idOf(index)).sort());
      expect(owners).toEqual(brokenUsers.filter((id) => !unreadable.some(([bad]) => bad === id)));
      expect(requests).toBeLessThan(10 + chosen.length * 30);
    }),
    { numRuns: 8 },
  );
});

describe('Composio itself', () => {
  test.each<[string, Answer, string]>([
    ['refuses the question whoever is asked about', { status: 400 }, 'rejected'],
    ['does not take the key', { status: 401 }, 'config'],
    ['is down', { status: 503 }, 'transient'],
    ['is behind a maintenance page', { status: 403, type: 'text/html', body: '<html>' }, 'unavailable'],
  ])('is not taken for the users’ fault: nobody is skipped (%s)', async (_name, said, kind) => {
    rules = [() => said];
    const error: unknown = await read().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ComposioFailure);
    expect((error as ComposioFailure).kind).toBe(kind);
    expect(server.asked.length).toBeLessThanOrEqual(3);
  });

  test('that goes down while a poisoned user is being looked for blames nobody', async () => {
    let left = 6;
    rules = [
      ({ userIds }) => {
        if (left <= 0) return { status: 503 };
        left -= 1;
        return userIds.includes(idOf(42)) ? { status: 400 } : null;
      },
    ];
    await expect(read()).rejects.toMatchObject({ kind: 'transient' });
  });

  test('that says 429 is asked again, and a caller who gives up is told so at once', async () => {
    let isFirst = true;
    rules = [() => (isFirst ? ((isFirst = false), { status: 429 }) : null)];
    expect((await read()).owners).toEqual(brokenUsers);
    rules = [() => ({ status: 429 })];
    const controller = new AbortController();
    const { signal } = controller;
    const question = { userIds: users, statuses: BROKEN_STATUSES };
    const reading = readAccounts(composio, question, { signal, isPatient: true });
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await expect(reading).rejects.toThrow();
  });
});
