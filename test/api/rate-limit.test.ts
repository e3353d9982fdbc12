/** Limits of callers: by key over all replicas, by address for bad keys, and none for browsers and probes. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CallerLimits, admit } from '../../api/admit.ts';
import { createAuthenticate } from '../../api/auth.ts';
import { createCallerLimits } from '../../api/caller-limits.ts';
import { createKeyLimit } from '../../api/key-limit.ts';
import { ApiProblem } from '../../api/problem-codes.ts';
import { BAD_KEYS_PER_MINUTE, createStrangerLimit } from '../../api/stranger-limit.ts';
import { createComposio } from '../../composio/create-composio.ts';
import { createRequestBudget } from '../../composio/request-budget.ts';
import { createDatabase } from '../../db/pool.ts';
import { createBudgetStore } from '../../db/request-budget.ts';
import { budgetTerms } from '../../domain/request-budget.ts';
import type { TestApi } from './setup/api.ts';
import { KEY, startTestApi } from './setup/api.ts';

const PER_MINUTE = 120;
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true, requestsPerMinute: PER_MINUTE });
});
afterAll(async () => await api.close());

const many = async <T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> =>
  await Promise.all(Array.from({ length: count }, (_, n) => work(n)));
const admitted = (answers: readonly (number | null)[]) => answers.filter((wait) => wait === null).length;

describe('an API key', () => {
  it('gets 429 as problem details with Retry-After above its limit, and is let in again when that is over', async () => {
    const answers = await many(PER_MINUTE + 60, () => api.call('GET', '/v1/users'));
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const passed = statuses.filter((status) => status === 200).length;
    expect(passed).toBeGreaterThanOrEqual(PER_MINUTE);
    expect(passed).toBeLessThan(PER_MINUTE + 60);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ status: 429, code: 'too_many_requests' });
    expect(refused?.headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      ratelimit: expect.stringMatching(/^"key";r=0;t=\d+$/),
      'ratelimit-policy': `"key";q=${PER_MINUTE};w=60`,
    });
    const waitS = Number(refused?.headers['retry-after']);
    expect(waitS).toBeGreaterThanOrEqual(1);
    await new Promise((resolve) => setTimeout(resolve, waitS * 1_000 + 50));
    expect((await api.call('GET', '/v1/users')).status).toBe(200);
  });

  it('that is over its limit does not stop a callback, a connect page or a probe', async () => {
    // The limit refills while a slow machine sends.
    const answers = await many(2 * PER_MINUTE, () => api.call('GET', '/v1/users'));
    expect(answers.map(({ status }) => status)).toContain(429);
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs'])
      expect([path, (await api.call('GET', path)).status]).toEqual([path, 200]);
    for (const path of ['/connect/unknown', '/oauth/callback/unknown?state=x'])
      expect([path, (await api.call('GET', path)).status]).toEqual([path, 400]);
  });

  it('shares its limit between replicas, and two keys share none', async () => {
    const shared = randomUUID();
    const dbs = [0, 1, 2].map(() => createDatabase({ url: api.bellhop.databaseUrl, name: 'replica' }));
    const failures: unknown[] = [];
    const replicas = dbs.map((db) =>
      createKeyLimit(
        600,
        (keyId, terms) => createBudgetStore(db, `api-key:${keyId}`, terms),
        (error) => failures.push(error),
      ),
    );
    const began = performance.now();
    const answers = await many(1_500, (n) => replicas[n % 3]?.admit(shared) ?? Promise.resolve(0));
    const earned = ((performance.now() - began) / 60_000) * 600;
    expect(failures).toEqual([]);
    // Each replica may hold a few that it leased ahead and did not need.
    expect(admitted(answers)).toBeGreaterThanOrEqual(600 - 3 * 15);
    expect(admitted(answers)).toBeLessThanOrEqual(601 + earned);
    expect(await replicas[0]?.admit(`another-${shared}`)).toBeNull();
    await Promise.all(dbs.map((db) => db.destroy()));
  });

  it('costs one statement for dozens of requests at a high rate', async () => {
    let asks = 0;
    const store = createBudgetStore(api.bellhop.db, 'api-key:busy', {
      intervalUs: 6,
      burst: 10_000_000,
      reserves: { runs: 0, flows: 0, audit: 0 },
      comfort: 0,
      trickleUs: { runs: 0, flows: 0, audit: 0 },
    });
    const counted = { lease: (ask: Parameters<typeof store.lease>[0]) => ((asks += 1), store.lease(ask)) };
    const limit = createKeyLimit(
      10_000_000,
      () => counted,
      () => undefined,
    );
    for (let n = 0; n < 3_000; n += 1) {
      expect(await limit.admit('busy')).toBeNull();
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(asks).toBeLessThan(3_000 / 24);
  });

  it('is still limited, by each process alone, when the database is away; nobody waits for it', async () => {
    const db = createDatabase({ url: 'postgres://nobody@127.0.0.1:1/none', name: 'away' });
    const failures: unknown[] = [];
    const limit = createKeyLimit(
      60,
      (keyId, terms) => createBudgetStore(db, keyId, terms),
      (error) => failures.push(error),
    );
    const began = performance.now();
    const answers = await many(100, () => limit.admit('key'));
    expect(admitted(answers)).toBeGreaterThanOrEqual(60);
    expect(admitted(answers)).toBeLessThan(65);
    expect(failures).toHaveLength(1);
    expect(performance.now() - began).toBeLessThan(30_000);
    await db.destroy();
  });

  it('is not limited at all when the limit is 0', () => {
    const limits = createCallerLimits(api.bellhop.db, { requestsPerMinute: 0, logger: undefined as never });
    expect(limits.keys).toBeNull();
  });
});

describe('bad keys', () => {
  const authenticate = createAuthenticate({ bootstrapKey: KEY });
  const limitsOf = (now: () => number): CallerLimits => ({ keys: null, strangers: createStrangerLimit(now) });
  const statusOf = async (limits: CallerLimits, key: string | null, address = '192.0.2.1') => {
    const authorization = key === null ? undefined : [`Bearer ${key}`];
    return admit({ authenticate, limits }, { authorization, address }).then(
      () => 200,
      (error: unknown) =>
        error instanceof ApiProblem ? (error.code === 'unauthorized' ? 401 : error.code) : error,
    );
  };

  it('from one address are 401 for a while, then 429 without a look, the right key too if it never worked before', async () => {
    let nowMs = 1_000_000;
    const limits = limitsOf(() => nowMs);
    for (let n = 0; n < BAD_KEYS_PER_MINUTE; n += 1) expect(await statusOf(limits, `guess-${n}`)).toBe(401);
    expect(await statusOf(limits, 'one-more')).toBe('too_many_requests');
    expect(await statusOf(limits, KEY)).toBe('too_many_requests');
    nowMs += 60_000 / BAD_KEYS_PER_MINUTE;
    expect(await statusOf(limits, KEY)).toBe(200);
  });

  it('do not lock out whoever shares the address and has a key that worked, nor other addresses, nor say anything to who has none', async () => {
    const limits = limitsOf(() => 1_000_000);
    expect(await statusOf(limits, KEY)).toBe(200);
    for (let n = 0; n <= BAD_KEYS_PER_MINUTE; n += 1) await statusOf(limits, `guess-${n}`);
    expect(await statusOf(limits, 'one-more')).toBe('too_many_requests');
    expect(await statusOf(limits, KEY)).toBe(200);
    expect(await statusOf(limits, 'one-more', '192.0.2.2')).toBe(401);
    expect(await statusOf(limits, null)).toBe(401);
  });

  it('count by network: one IPv6 /64 is one guesser, IPv4 is the same however it is written', async () => {
    const limits = limitsOf(() => 1_000_000);
    for (let n = 0; n < BAD_KEYS_PER_MINUTE; n += 1)
      await statusOf(limits, `guess-${n}`, `2001:db8:1:2::${n.toString(16)}`);
    expect(await statusOf(limits, 'x', '2001:db8:1:2:ffff:ffff:ffff:ffff')).toBe('too_many_requests');
    expect(await statusOf(limits, 'x', '2001:db8:1:3::1')).toBe(401);
    for (let n = 0; n < BAD_KEYS_PER_MINUTE; n += 1) await statusOf(limits, `guess-${n}`, '::ffff:192.0.2.7');
    expect(await statusOf(limits, 'x', '192.0.2.7')).toBe('too_many_requests');
  });

  it('over HTTP get the headers too, and the document knows the answer', async () => {
    const bad = (n: number) => ({ headers: { authorization: `Bearer guess-${n}` } });
    const answers: Awaited<ReturnType<typeof api.call>>[] = [];
    // The limit refills while a slow machine sends.
    while (!answers.some(({ status }) => status === 429) && answers.length < 10 * BAD_KEYS_PER_MINUTE)
      answers.push(...(await many(200, (n) => api.call('GET', '/v1/runs', bad(answers.length + n)))));
    expect(answers.filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(BAD_KEYS_PER_MINUTE);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ code: 'too_many_requests' });
    expect(refused?.headers['ratelimit-policy']).toBe(`"bad-keys";q=${BAD_KEYS_PER_MINUTE};w=60`);
    expect(refused?.headers['www-authenticate']).toBeUndefined();
  });
});

describe('a look for a callback that finds no room in the budget', () => {
  it('is not kept waiting: it is refused at once, and Composio was not asked', async () => {
    const terms = budgetTerms(2_000);
    const budget = createRequestBudget(terms, createBudgetStore(api.bellhop.db, 'held', terms));
    const composio = createComposio({
      apiKey: 'sandbox-composio-key',
      baseUrl: api.bellhop.sandboxUrl,
      authConfigs: new Map(),
      sdk: 'composio-core',
      budget,
    });
    budget.pause(60_000);
    const asked = await api.bellhop.sandbox.countRequests();
    const began = performance.now();
    await expect(composio.withClass('flows').getConnection('ca_1')).rejects.toMatchObject({
      kind: 'rate_limited',
      outcome: 'not_sent',
    });
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(await api.bellhop.sandbox.countRequests()).toBe(asked);
  });
});

describe('5,000 callbacks at once', () => {
  it('are all answered, none of them with 429 or 5xx', async () => {
    const statuses = new Map<number, number>();
    // As many sockets as a test process may hold; the others follow as these end.
    const queue = Array.from({ length: 5_000 }, (_, n) => n);
    await many(500, async () => {
      for (let n = queue.pop(); n !== undefined; n = queue.pop()) {
        const answer = await fetch(`${api.url}/oauth/callback/attempt-${n}?state=s&status=success`);
        await answer.text();
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      }
    });
    expect([...statuses]).toEqual([[400, 5_000]]);
  });
});
