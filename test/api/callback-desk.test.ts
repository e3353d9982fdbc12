/** Thousands of callbacks at once, in parts: their turn, their reads from Composio, and what a browser sees of both. */
import { randomUUID } from 'node:crypto';
import { ServerResponse } from 'node:http';
import { queryObjects } from 'node:v8';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAccountReader } from '../../api/connect/account-reader.ts';
import { createTurnstile } from '../../api/connect/turnstile.ts';
import { ComposioFailure } from '../../composio/failure.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import type { Browser } from './setup/browser.ts';
import { createBrowser } from './setup/browser.ts';

/** Of this process, after a collection. Each holds its request and its socket. */
const countResponses = (): number => queryObjects(ServerResponse, { format: 'count' }) as unknown as number;
const never = new Promise<never>(() => undefined);
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('the turnstile', () => {
  it('gives the result of work that has its turn at once, and its error', async () => {
    const turnstile = createTurnstile({ onLateError: () => undefined });
    expect(await turnstile.pass('a', async () => 7)).toEqual({ kind: 'done', value: 7 });
    await expect(turnstile.pass('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect([turnstile.holds('a'), turnstile.waiting]).toEqual([false, 0]);
  });

  it('never works more than 64 at once, in the order in which they came, and does every one of 500', async () => {
    const turnstile = createTurnstile({ onLateError: () => undefined });
    let working = 0;
    let most = 0;
    const begun: number[] = [];
    const passed = await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        turnstile.pass(`n${i}`, async () => {
          begun.push(i);
          working += 1;
          most = Math.max(most, working);
          await wait(1);
          working -= 1;
        }),
      ),
    );
    await turnstile.drained(60_000);
    expect(most).toBe(64);
    expect(begun).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(passed.filter(({ kind }) => kind === 'full')).toEqual([]);
    expect(passed.filter(({ kind }) => kind === 'early').length).toBeGreaterThan(300);
  });

  it('works for nobody while a crowd comes in, and for all of it in turn when nobody new comes', async () => {
    const turnstile = createTurnstile({ onLateError: () => undefined });
    let begun = 0;
    const arrived = Array.from({ length: 200 }, () => turnstile.arrive());
    const crowd = arrived.map((_, i) =>
      turnstile.pass(`c${i}`, async () => {
        begun += 1;
      }),
    );
    const early = await Promise.all(crowd.slice(64));
    expect(early.every(({ kind }) => kind === 'early')).toBe(true);
    let isCalm = false;
    const calm = turnstile.calm().then(() => (isCalm = true));
    await wait(300);
    expect([begun, isCalm]).toEqual([0, false]);
    for (const gone of arrived) gone();
    await calm;
    await turnstile.drained(60_000);
    expect(begun).toBe(200);
    await turnstile.calm();
  });

  it('works for a crowd that does not end after four seconds at the latest', async () => {
    const turnstile = createTurnstile({ onLateError: () => undefined });
    for (let i = 0; i < 100; i += 1) turnstile.arrive();
    const started = performance.now();
    const work = Promise.withResolvers<number>();
    void turnstile.pass('a', async () => work.resolve(performance.now() - started));
    const waited = await work.promise;
    expect(waited).toBeGreaterThan(3_500);
    // The next one of that crowd is let in while the work has its time.
    turnstile.arrive();
    expect(await turnstile.pass('b', async () => 'at once')).toEqual({ kind: 'done', value: 'at once' });
  });

  it('answers those early whose work had begun when a crowd came over it, long before those whom no crowd disturbs', async () => {
    const [crowded, calm] = [0, 1].map(() => createTurnstile({ onLateError: () => undefined }));
    const undisturbed = calm?.pass('begun', () => never).then(() => 'the calm one');
    const disturbed = crowded?.pass('begun', () => never);
    const arrived = Array.from({ length: 100 }, () => crowded?.arrive());
    expect(await Promise.race([undisturbed, disturbed])).toEqual({ kind: 'early', ahead: 0 });
    expect(crowded?.holds('begun')).toBe(true);
    for (const gone of arrived) gone?.();
    expect(await undisturbed).toBe('the calm one');
  });

  it('answers early who stands behind a long queue, at once, and who is not let in within a second', async () => {
    const turnstile = createTurnstile({ onLateError: () => undefined });
    const busy = Array.from({ length: 64 }, (_, i) => turnstile.pass(`busy${i}`, () => never));
    const started = performance.now();
    expect(await turnstile.pass('waits', async () => 1)).toEqual({ kind: 'early', ahead: 0 });
    expect(performance.now() - started).toBeGreaterThan(900);
    let hasWaited = false;
    for (let i = 1; i < 64; i += 1)
      void turnstile.pass('waits', async () => 1).then(() => (hasWaited = true));
    expect(await turnstile.pass('behind', async () => 1)).toEqual({ kind: 'early', ahead: 64 });
    // Those before it wait for their second still.
    expect(hasWaited).toBe(false);
    expect([turnstile.holds('behind'), turnstile.waiting]).toEqual([true, 65]);
    // They began at once and are let go on for longer, but not for ever.
    expect((await Promise.all(busy)).every(({ kind }) => kind === 'early')).toBe(true);
  });

  it('counts both patiences from when somebody came, not from when it was known who it is', async () => {
    const turnstile = createTurnstile({ onLateError: () => undefined });
    const early = { kind: 'early', ahead: 0 };
    const work = (since?: number) => turnstile.pass('works', () => never, since);
    const justBegun = work().then(() => 'who has just begun');
    const begun = work(performance.now() - 4_000);
    expect(await Promise.race([justBegun, begun])).toEqual(early);
    for (let i = 2; i < 64; i += 1) void work();
    const justCome = turnstile.pass('waits', () => never).then(() => 'who has just come');
    const waits = turnstile.pass('waits', () => never, performance.now() - 1_000);
    expect(await Promise.race([justCome, waits])).toEqual({ ...early, ahead: 1 });
  });

  it('refuses who would be the 20,001st to wait, does not do that work, and tells of late errors only', async () => {
    const late: unknown[] = [];
    const turnstile = createTurnstile({ onLateError: (error) => late.push(error) });
    const gate = Promise.withResolvers<void>();
    for (let i = 0; i < 64; i += 1) void turnstile.pass('busy', () => gate.promise);
    let done = 0;
    for (let i = 0; i < 20_000; i += 1) {
      void turnstile.pass('waits', async () => {
        done += 1;
        if (done === 20_000) throw new Error('the last');
      });
    }
    expect(await turnstile.pass('too late', async () => (done += 1_000_000))).toMatchObject({ kind: 'full' });
    gate.resolve();
    await turnstile.drained(60_000);
    await wait(0); // a late error is told a moment after its work has left the queue
    expect(done).toBe(20_000);
    expect(late.map(String)).toEqual(['Error: the last']);
  });

  it('waits for its queue to run empty only as long as it is told to', async () => {
    const turnstile = createTurnstile({ onLateError: () => undefined });
    await turnstile.drained(60_000);
    void turnstile.pass('a', () => never);
    await turnstile.drained(50);
    expect(turnstile.holds('a')).toBe(true);
  });
});

let api: TestApi;
beforeAll(async () => {
  // Polling must not be what completes a flow here.
  api = await startTestApi({ settings: { pollIntervalMs: 120_000, callbackGraceMs: 120_000 } });
});
afterAll(async () => await api.close());
afterEach(async () => void (await api.bellhop.sandbox.clearFaults()));

const requestsOf = async (since: number) =>
  (await api.bellhop.sandbox.requests()).filter((request) => request.seq > since);
const newestRequest = async () => (await api.bellhop.sandbox.requests()).at(-1)?.seq ?? 0;

describe('accounts that are read back together', () => {
  const signal = () => AbortSignal.timeout(60_000);

  it('are each given to who asked for them: 250 in few requests, with one foreign, one gone and one of another app', async () => {
    const users = Array.from({ length: 250 }, (_, i) => `batch-${i}-${randomUUID()}`);
    const [first = '', second = '', third = ''] = users;
    const seeded = await api.bellhop.sandbox.seedAccounts(users.map((userId) => ({ userId, app: 'slack' })));
    const gmail = await api.bellhop.sandbox.seedAccount({ userId: first, app: 'gmail' });
    const stranger = await api.bellhop.sandbox.seedAccount({ userId: 'stranger', app: 'slack' });
    const since = await newestRequest();
    const read = createAccountReader(api.bellhop.composio);
    const ask = (accountId: string, entityId: string, app = 'slack') =>
      read({ accountId, entityId, app }, signal());
    const answers = await Promise.all([
      ...seeded.map(({ id, userId }) => ask(id, userId)),
      ask(stranger.id, second),
      ask('ca_gone', third),
      ask(gmail.id, first, 'gmail'),
    ]);
    expect(answers.slice(0, 250).map((account) => [account?.id, account?.entityId, account?.status])).toEqual(
      seeded.map(({ id, userId }) => [id, userId, 'ACTIVE']),
    );
    // Told as it is; who asked sees that it is not theirs.
    expect(answers[250]?.entityId).toBe('stranger');
    expect(answers[251]).toBeNull();
    expect(answers[252]?.app).toBe('gmail');
    const made = await requestsOf(since);
    expect(made.length).toBeLessThan(20);
  });

  it('are one request by id when one comes alone', async () => {
    const account = await api.bellhop.sandbox.seedAccount({ userId: 'alone', app: 'slack' });
    const since = await newestRequest();
    const read = createAccountReader(api.bellhop.composio);
    expect((await read({ accountId: account.id, entityId: 'alone', app: 'slack' }, signal()))?.id).toBe(
      account.id,
    );
    expect((await requestsOf(since)).map(({ route }) => route)).toEqual(['accounts.get']);
  });

  it('are one request for all who come in the same moment', async () => {
    const seeded = await api.bellhop.sandbox.seedAccounts(
      [1, 2, 3, 4, 5].map((i) => ({ userId: `together-${i}`, app: 'slack' })),
    );
    const since = await newestRequest();
    const read = createAccountReader(api.bellhop.composio);
    const answers = await Promise.all(
      seeded.map(({ id, userId }) => read({ accountId: id, entityId: userId, app: 'slack' }, signal())),
    );
    expect(answers.map((account) => account?.id)).toEqual(seeded.map(({ id }) => id));
    expect((await requestsOf(since)).map(({ route }) => route)).toEqual(['accounts.list']);
  });

  it('fail for all who asked when Composio fails, and the next ones are read again', async () => {
    const seeded = await api.bellhop.sandbox.seedAccounts(
      [1, 2, 3].map((i) => ({ userId: `fails-${i}`, app: 'slack' })),
    );
    const read = createAccountReader(api.bellhop.composio);
    const askAll = () =>
      Promise.allSettled(
        seeded.map(({ id, userId }) => read({ accountId: id, entityId: userId, app: 'slack' }, signal())),
      );
    const fault = await api.bellhop.sandbox.addFault({
      match: { method: 'GET' },
      action: { type: 'status', status: 503 },
    });
    const failed = await askAll();
    expect(
      failed.map((result) => result.status === 'rejected' && result.reason instanceof ComposioFailure),
    ).toEqual([true, true, true]);
    await api.bellhop.sandbox.removeFault(fault.id);
    expect((await askAll()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
  });

  it('are not waited for by who gave up', async () => {
    const read = createAccountReader(api.bellhop.composio);
    const gone = AbortSignal.abort(new Error('gave up'));
    await expect(read({ accountId: 'a', entityId: 'b', app: 'slack' }, gone)).rejects.toThrow('gave up');
  });
});

describe('a page that was answered early', () => {
  async function comeBack(): Promise<{ browser: Browser; callback: string; flowId: string }> {
    const userId = `early-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    const { connectUrl, flowId } = (
      await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } })
    ).body;
    const browser = createBrowser();
    const provider = (await browser.get(`${connectUrl}/go`)).location ?? '';
    const { location } = await api.bellhop.sandbox.consent(provider, 'approve');
    return { browser, callback: location ?? '', flowId };
  }
  const flowOf = async (flowId: string) => (await api.call('GET', `/v1/connections/${flowId}`)).body;

  it('comes again with all that it brought: to the same end while nothing was done, and as often as it likes afterwards', async () => {
    const { browser, callback, flowId } = await comeBack();
    const again = `${callback}&again=1`;
    for (let i = 0; i < 3; i += 1) {
      const page = await browser.visit(again);
      expect([page.status, page.text.includes('Slack is connected')]).toEqual([200, true]);
    }
    expect((await flowOf(flowId)).status).toBe('completed');
    // The mark alone opens nothing: another browser, and the plain replay, are refused as ever.
    expect((await createBrowser().get(again)).status).toBe(400);
    expect((await browser.get(callback)).status).toBe(400);
  });

  it('leaves the look to the flow when Composio could not be asked, and says nothing of the account', async () => {
    const { browser, callback, flowId } = await comeBack();
    const history = () => api.bellhop.client.workflow.getHandle(`connect-${flowId}`).fetchHistory();
    const fault = await api.bellhop.sandbox.addFault({
      match: { method: 'GET' },
      action: { type: 'status', status: 503 },
    });
    const page = await browser.get(callback);
    expect([page.status, page.text.includes('Finishing')]).toEqual([200, true]);
    const signalled = ((await history()).events ?? []).flatMap(
      (event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? [],
    );
    expect(signalled).toEqual(['attempt-opened', 'attempt-opened']);
    await api.bellhop.sandbox.removeFault(fault.id);
    // Nobody comes again: no page was reloaded.
    await expect.poll(async () => (await flowOf(flowId)).status, { timeout: 60_000 }).toBe('completed');
  });

  it('keeps nothing of its request while its work waits', async () => {
    const { turnstile } = api.callbackDesk;
    const all = await Promise.all(Array.from({ length: 20 }, comeBack));
    const gate = Promise.withResolvers<void>();
    for (let i = 0; i < 64; i += 1) void turnstile.pass('busy', () => gate.promise);
    const before = countResponses();
    const pages = await Promise.all(all.map(({ browser, callback }) => browser.get(callback)));
    expect(pages.every(({ text }) => text.includes('Finishing'))).toBe(true);
    expect(turnstile.waiting).toBeGreaterThanOrEqual(20);
    // The last ones may still be closing.
    await expect.poll(countResponses, { timeout: 60_000 }).toBeLessThanOrEqual(before + 2);
    expect(turnstile.waiting).toBeGreaterThanOrEqual(20);
    gate.resolve();
    for (const { flowId } of all)
      await expect.poll(async () => (await flowOf(flowId)).status, { timeout: 60_000 }).toBe('completed');
  });

  it('does not help a browser without the cookie: the attempt ends as it does without the mark', async () => {
    const { callback, flowId } = await comeBack();
    expect((await createBrowser().get(`${callback}&again=1`)).status).toBe(400);
    // Whoever was refused was perhaps told so before the rows say it.
    await expect
      .poll(() => flowOf(flowId))
      .toMatchObject({ status: 'open', lastAttempt: { status: 'failed', reason: 'other_browser' } });
  });

  it('shows a refusal as a refusal', async () => {
    const { browser, callback } = await comeBack();
    const refused = `${callback.replace('status=success', 'status=failed')}&again=1`;
    for (let i = 0; i < 2; i += 1)
      expect((await browser.visit(refused)).text).toContain('Slack was not connected');
  });

  it('thousand times the same callback is one consent: one signal or two, no 5xx', async () => {
    const { browser, callback, flowId } = await comeBack();
    const pages = await Promise.all(Array.from({ length: 1_000 }, () => browser.get(callback)));
    expect(pages.filter(({ status }) => status >= 500)).toEqual([]);
    await expect.poll(async () => (await flowOf(flowId)).status, { timeout: 60_000 }).toBe('completed');
    const { events = [] } = await api.bellhop.client.workflow.getHandle(`connect-${flowId}`).fetchHistory();
    const signals = (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes);
    expect(signals.length).toBeLessThanOrEqual(3);
  });

  it('is what those get who stand behind 64 others; strangers are refused as ever, and every flow completes', async () => {
    const all: Awaited<ReturnType<typeof comeBack>>[] = [];
    while (all.length < 140) all.push(...(await Promise.all(Array.from({ length: 10 }, comeBack))));
    const slow = await api.bellhop.sandbox.addFault({
      match: { method: 'GET' },
      action: { type: 'hang' },
    });
    const stranger = (i: number) => createBrowser().get(`${api.url}/oauth/callback/stranger-${i}?state=x`);
    const [pages, strangers] = await Promise.all([
      Promise.all(all.map(({ browser, callback }) => browser.get(callback))),
      Promise.all(Array.from({ length: 400 }, (_, i) => stranger(i))),
    ]);
    await api.bellhop.sandbox.removeFault(slow.id);
    expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(strangers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(strangers[0]?.status).toBe(400);
    const early = pages.filter(({ text }) => text.includes('again=1'));
    expect(early.length).toBeGreaterThanOrEqual(140 - 64);
    // Only its own browser sees the state in it, which has it in its address.
    expect(early[0]?.text).toMatch(
      /http-equiv="refresh" content="\d+; url=\/oauth\/callback\/[\w-]+\?[^"]*again=1"/,
    );
    // Nobody comes again. What was early is done, and where Composio was silent the flow looks for itself.
    for (const { flowId } of all)
      await expect.poll(async () => (await flowOf(flowId)).status, { timeout: 120_000 }).toBe('completed');
    const [some] = all;
    expect((await some?.browser.visit(`${some.callback}&again=1`))?.text).toContain('Slack is connected');
  }, 240_000); // two workflows a flow, on a machine that does other things too
});
