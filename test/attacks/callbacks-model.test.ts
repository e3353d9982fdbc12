/**
 * Any order of clicks, consents, refusals, time-outs, hints and callbacks, several callbacks at once, right and wrong ones:
 * a flow accepts at most one account, never one that its own browser did not bring, and the run resumes exactly once.
 * Polling is too slow here to matter. SEED and FAST_CHECK_RUNS repeat or lengthen it.
 */
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { flowWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import { startTestApi, type TestApi } from '../api/setup/api.ts';
import { type Browser, createBrowser, type Page } from '../api/setup/browser.ts';
import { type AttackStage, type Click, createStage, type Target, PATIENCE } from './stage.ts';

const NEVER_MS = 600_000;
const SEED = Number(process.env['SEED'] ?? Date.now() % 2_147_483_647);
const RUNS = Number(process.env['FAST_CHECK_RUNS'] ?? 12);
/** Whatever was not tried by then is tried by the next run's seed. */
const TIME_LIMIT_MS = 150_000;

let api: TestApi;
let stage: AttackStage;
beforeAll(async () => {
  api = await startTestApi({ settings: { pollIntervalMs: NEVER_MS, callbackGraceMs: NEVER_MS } });
  stage = createStage(api);
});
afterAll(() => api.close());

type Decision = 'none' | 'approve' | 'deny';
/** What the model knows of a click. `live`: a callback with everything right would be heard. */
type ModelClick = { decision: Decision; live: boolean };
type Model = { readonly clicks: ModelClick[]; accepted: number | null };
type Real = {
  readonly target: Target;
  readonly clicks: { readonly click: Click; callback: string }[];
  readonly browsers: readonly [Browser, Browser];
};
type Command = fc.AsyncCommand<Model, Real>;

/** The number of the click that `nth` stands for, of those that fit; any number stands for one, so that few commands are idle. */
function pick(model: Model, nth: number, fits: (click: ModelClick) => boolean): number | null {
  const fitting = [...model.clicks.keys()].filter((at) => {
    const click = model.clicks[at];
    return click !== undefined && fits(click);
  });
  return fitting[nth % Math.max(1, fitting.length)] ?? null;
}
const isUndecided = ({ decision }: ModelClick): boolean => decision === 'none';
const isDecided = ({ decision }: ModelClick): boolean => decision !== 'none';
const isLive = ({ live }: ModelClick): boolean => live;

/** At the latest here the model and the world must agree. */
async function compare(model: Model, real: Real): Promise<void> {
  const flow = await stage.flowOf(real.target);
  const accepted = (await stage.attempts(real.target)).filter(({ status }) => status === 'accepted');
  if (model.accepted === null) {
    expect([flow.status, accepted.length]).toEqual(['open', 0]);
    expect((await api.bellhop.run(real.target.runId)).status).toBe('waiting_for_connection');
    return;
  }
  const { click } = real.clicks[model.accepted] ?? {};
  expect([flow.status, flow.accountId]).toEqual(['completed', click?.accountId]);
  expect(accepted.map(({ id }) => id)).toEqual([click?.attemptId]);
}

class Go implements Command {
  readonly browser: 0 | 1;
  constructor(browser: 0 | 1) {
    this.browser = browser;
  }
  check = (model: Model): boolean => model.clicks.length < 5;
  run = async (model: Model, real: Real): Promise<void> => {
    const browser = real.browsers[this.browser];
    if (model.accepted !== null) {
      expect((await stage.visit(browser, `${real.target.connectUrl}/go`)).status).toBe(400);
      return;
    }
    const click = await stage.click(real.target, browser);
    real.clicks.push({ click, callback: `${api.url}/oauth/callback/${click.attemptId}` });
    model.clicks.push({ decision: 'none', live: true });
    await compare(model, real);
  };
  toString = (): string => `go in browser ${this.browser}`;
}

class Decide implements Command {
  readonly nth: number;
  readonly decision: 'approve' | 'deny';
  constructor(nth: number, decision: 'approve' | 'deny') {
    this.nth = nth;
    this.decision = decision;
  }
  check = (model: Model): boolean => model.accepted === null && pick(model, this.nth, isUndecided) !== null;
  run = async (model: Model, real: Real): Promise<void> => {
    const at = pick(model, this.nth, isUndecided) ?? -1;
    const [entry, known] = [real.clicks[at], model.clicks[at]];
    if (!entry || !known) throw new Error('no such click');
    const { location } = await api.bellhop.sandbox.consent(entry.click.provider, this.decision);
    // The link of an attempt that was ended leads nowhere any more.
    if (location === null) expect(known.live).toBe(false);
    else entry.callback = location;
    known.decision = location === null ? 'deny' : this.decision;
    await compare(model, real);
  };
  toString = (): string => `${this.decision} undecided click ${this.nth}`;
}

/** One callback. `nth` is the click whose address it has; the rest says what is wrong with it. */
type Shot = {
  readonly nth: number;
  readonly own: boolean;
  readonly state: 'right' | 'wrong' | 'of the first click' | 'missing';
  readonly account: 'right' | 'absent' | 'foreign' | 'both spellings, one foreign';
  readonly status: 'success' | 'failed';
};

type AimedShot = Shot & { readonly at: number };

async function fire(shot: AimedShot, real: Real): Promise<Page> {
  const entry = real.clicks[shot.at];
  if (!entry) throw new Error('no such click');
  const url = new URL(entry.callback);
  const query = url.searchParams;
  if (shot.state === 'missing') query.delete('state');
  if (shot.state === 'wrong') query.set('state', 'x'.repeat(43));
  if (shot.state === 'of the first click')
    query.set('state', new URL(real.clicks[0]?.callback ?? 'x:').searchParams.get('state') ?? '');
  if (shot.account === 'absent') query.delete('connected_account_id');
  if (shot.account === 'foreign') query.set('connected_account_id', 'ca_foreign');
  if (shot.account === 'both spellings, one foreign') query.set('connectedAccountId', 'ca_foreign');
  if (query.has('status')) query.set('status', shot.status);
  // A callback without a state that comes from the right browser is the reload of the finishing page, which none has seen.
  return stage.visit(shot.own ? entry.click.browser : createBrowser(), url.href);
}

class Callbacks implements Command {
  readonly shots: readonly Shot[];
  constructor(shots: readonly Shot[]) {
    this.shots = shots;
  }
  check = (model: Model): boolean => model.clicks.some(isDecided);
  run = async (model: Model, real: Real): Promise<void> => {
    const shots = this.shots.map((shot) => ({ ...shot, at: pick(model, shot.nth, isDecided) ?? -1 }));
    const isHeard = (shot: AimedShot): boolean =>
      model.accepted === null &&
      model.clicks[shot.at]?.live === true &&
      (shot.state === 'right' || (shot.state === 'of the first click' && shot.at === 0)) &&
      (shot.account === 'right' || shot.account === 'absent');
    const heard = shots.filter(isHeard);
    const isGood = (shot: AimedShot): boolean =>
      shot.own && shot.status === 'success' && model.clicks[shot.at]?.decision === 'approve';
    const good = new Set(heard.filter(isGood).map(({ at }) => at));
    const bad = new Set(heard.filter((shot) => !isGood(shot)).map(({ at }) => at));
    const before = model.accepted;
    const pages = await Promise.all(shots.map((shot) => fire(shot, real)));
    const statuses = pages.map(({ status }) => status);
    expect(statuses.filter((status) => status !== 200 && status !== 400)).toEqual([]);
    const saysConnected = (at: number): boolean => pages[at]?.text.includes('is connected') === true;
    // Without a state the clicking browser only reads again what became of its click; it changes nothing.
    const isReload = (shot: AimedShot): boolean => shot.own && shot.state === 'missing';
    const connected = [...shots.entries()].filter(
      ([at, shot]) => !isReload(shot) && saysConnected(at),
    ).length;
    for (const [at, shot] of shots.entries())
      if (!isReload(shot) && (!heard.includes(shot) || !shot.own)) expect(statuses[at]).toBe(400);
    // Whoever was refused was perhaps told so before the rows say it.
    for (const { at } of heard.filter((shot) => !isGood(shot))) {
      const { attemptId = '' } = real.clicks[at]?.click ?? {};
      await expect.poll(async () => (await stage.attemptOf(attemptId)).status, PATIENCE).not.toBe('open');
    }
    const accepted = (await stage.attempts(real.target)).find(({ status }) => status === 'accepted');
    const winner = real.clicks.findIndex(({ click }) => click.attemptId === accepted?.id);
    for (const [at, shot] of shots.entries())
      if (isReload(shot) && saysConnected(at)) expect(shot.at).toBe(winner);
    if (before !== null) expect([winner, connected]).toEqual([before, 0]);
    else if (winner >= 0) expect(good.has(winner)).toBe(true);
    // Where nothing else ended the attempt at the same moment, a good callback must have been enough.
    else expect([...good].filter((at) => !bad.has(at))).toEqual([]);
    model.accepted = winner >= 0 ? winner : null;
    for (const [at, click] of model.clicks.entries())
      if (model.accepted !== null || bad.has(at)) click.live = false;
    await compare(model, real);
  };
  toString = (): string => `callbacks ${JSON.stringify(this.shots)}`;
}

class RunOut implements Command {
  readonly nth: number;
  constructor(nth: number) {
    this.nth = nth;
  }
  check = (model: Model): boolean => model.accepted === null && pick(model, this.nth, isLive) !== null;
  run = async (model: Model, real: Real): Promise<void> => {
    const at = pick(model, this.nth, isLive) ?? -1;
    const attemptId = real.clicks[at]?.click.attemptId ?? '';
    await asSystem(api.bellhop.db, (tx) =>
      sql`update connection_attempts set expires_at = now() - interval '1 second' where id = ${attemptId}`.execute(
        tx,
      ),
    );
    const known = model.clicks[at];
    if (known) known.live = false;
  };
  toString = (): string => `the time of live click ${this.nth} runs out`;
}

class Hint implements Command {
  check = (): boolean => true;
  run = async (model: Model, real: Real): Promise<void> => {
    for (const id of [flowWorkflowId(real.target.flowId), runWorkflowId(real.target.runId)]) {
      const workflow = api.bellhop.client.workflow.getHandle(id);
      // One that has ended hears nothing.
      await workflow.signal('connection-completed', { app: 'slack' }).catch(() => undefined);
    }
    await compare(model, real);
  };
  toString = (): string => 'somebody signals that it is connected';
}

async function judgeEnd(model: Model, real: Real): Promise<void> {
  const { userId, runId } = real.target;
  if (model.accepted === null) {
    await compare(model, real);
    expect(await api.bellhop.sandbox.journal({ userId })).toEqual([]);
    await api.bellhop.client.workflow.getHandle(runWorkflowId(runId)).cancel();
    return;
  }
  const accountId = real.clicks[model.accepted]?.click.accountId;
  expect((await api.bellhop.ended(runId)).status).toBe('completed');
  expect(await api.bellhop.sandbox.journal({ userId })).toMatchObject([{ accountId, accountOwner: userId }]);
  const events = await asSystem(api.bellhop.db, (tx) => listEvents(tx, runId, { after: 0, limit: 100 }));
  expect(events.filter(({ type }) => type === 'connection.completed')).toHaveLength(1);
  await expect.poll(() => stage.accountsOf(real.target), PATIENCE).toEqual([accountId]);
}

const nth = fc.nat(59);
const shot: fc.Arbitrary<Shot> = fc.record({
  nth,
  own: fc.boolean(),
  // Weighted so that a good many of them are right in all but one thing.
  state: fc.oneof(
    { weight: 5, arbitrary: fc.constant('right' as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom('wrong' as const, 'of the first click' as const, 'missing' as const),
    },
  ),
  account: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('right' as const, 'absent' as const) },
    { weight: 1, arbitrary: fc.constantFrom('foreign' as const, 'both spellings, one foreign' as const) },
  ),
  status: fc.constantFrom('success' as const, 'success' as const, 'failed' as const),
});
const good = (click: number): Shot => ({
  nth: click,
  own: true,
  state: 'right',
  account: 'right',
  status: 'success',
});
const decision = fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const);
const go = fc.constantFrom<0 | 1>(0, 1).map((browser) => new Go(browser));
const decide = fc.tuple(nth, decision).map(([click, decided]) => new Decide(click, decided));
const callbacks = fc.array(shot, { minLength: 1, maxLength: 3 }).map((shots) => new Callbacks(shots));
const goodCallbacks = fc
  .array(nth.map(good), { minLength: 1, maxLength: 3 })
  .map((shots) => new Callbacks(shots));
// Named more than once is drawn more often: without clicks and decisions there is nothing to attack.
const commands = fc.commands(
  [
    go,
    go,
    decide,
    decide,
    decide,
    callbacks,
    callbacks,
    goodCallbacks,
    nth.map((click) => new RunOut(click)),
    fc.constant(new Hint()),
  ],
  { maxCommands: 30, size: 'max' },
);

test(
  `whatever comes in whatever order, at most one account is accepted and the run resumes once (seed ${SEED})`,
  async () => {
    const ends = { accepted: 0, open: 0 };
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        const model: Model = { clicks: [], accepted: null };
        const target = await stage.target();
        const real: Real = { target, clicks: [], browsers: [createBrowser(), createBrowser()] };
        await fc.asyncModelRun(() => ({ model, real }), list);
        await judgeEnd(model, real);
        ends[model.accepted === null ? 'open' : 'accepted'] += 1;
      }),
      {
        numRuns: RUNS,
        seed: SEED,
        interruptAfterTimeLimit: TIME_LIMIT_MS,
        markInterruptAsFailure: false,
        endOnFailure: true,
      },
    );
    // It must not pass for having tried nothing; a slow machine comes to fewer runs.
    if (ends.accepted + ends.open >= 10) expect(ends.accepted).toBeGreaterThan(0);
  },
  TIME_LIMIT_MS + 60_000,
);
