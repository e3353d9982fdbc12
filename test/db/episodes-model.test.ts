/**
 * Any order of breaks, repairs, looks at Composio that land late, reconnections and flows that run out: at most one episode
 * is open, each opening is one notice, and no break is told twice or without having been. Who looks is not told apart by the
 * database: audit, webhook and runs all write through `openFlowsFor` and `closeEpisodes`. SEED and FAST_CHECK_RUNS repeat or
 * lengthen it.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openFlowsFor } from '../../activities/gate.ts';
import { closeEpisodes } from '../../db/episodes.ts';
import { completeFlow, endFlow, listOpenFlows, openFlow } from '../../db/flows.ts';
import type { ConnectedAccount } from '../../domain/gate.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
const SEED = Number(process.env['SEED'] ?? Date.now() % 2_147_483_647);
const RUNS = Number(process.env['FAST_CHECK_RUNS'] ?? 40);
const TIME_LIMIT_MS = 60_000;
const APP = 'slack';
/** Between two commands: far longer than a statement takes on a busy machine. Passes by moving what is written into the past. */
const STEP_MS = 60_000;

/** What Composio shows. `refused`: it says ACTIVE, and executions are refused. */
type World = 'works' | 'broken' | 'refused';
type Look = {
  readonly by: string;
  readonly at: number;
  readonly sees: 'works' | 'broken' | 'refused';
  /** Which break it sees, if any. */
  readonly period: number;
};
type Model = {
  world: World;
  /** Counts breaks. A refusal whose flow has run out counts anew: nobody asks for another account any more. */
  period: number;
  clock: number;
  looks: Look[];
  readonly told: Set<number>;
  /** The flow asks for another account than the one that is refused. */
  isAsking: boolean;
};
type Real = { readonly userId: string; readonly isHonest: boolean };
type State = { open: number; episodes: number; notices: number };

const stateOf = async (userId: string): Promise<State> => {
  const [row] = await the().raw<State>(
    `select (select count(*) from connection_episodes where user_id = $1 and closed_at is null)::int as open,
       (select count(*) from connection_episodes where user_id = $1)::int as episodes,
       (select count(*) from notices where user_id = $1 and type = 'connection.expired')::int as notices`,
    [userId],
  );
  if (!row) throw new Error('no state');
  return row;
};
const account = (userId: string, status: 'ACTIVE' | 'EXPIRED'): ConnectedAccount => ({
  id: 'ca_1',
  entityId: userId,
  app: APP,
  authConfigId: null,
  status,
  statusReason: null,
  disabled: false,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
});

async function passTime(model: Model, { userId }: Real): Promise<void> {
  model.clock += 1;
  for (const [table, column] of [
    ['connection_episodes', 'opened_at'],
    ['connection_episodes', 'closed_at'],
    ['connections', 'verified_at'],
  ])
    await the().raw(
      `update ${table} set ${column} = ${column} - ${STEP_MS} * interval '1 millisecond' where user_id = $1`,
      [userId],
    );
}

/** Writes what was seen, as whoever looked does it. */
async function land(model: Model, { userId, isHonest }: Real, look: Look): Promise<void> {
  const before = await stateOf(userId);
  const askedAt = performance.now() - (isHonest ? (model.clock - look.at) * STEP_MS : 0);
  if (look.sees === 'works') {
    await the().user(userId, (tx) => closeEpisodes(tx, userId, [APP], askedAt));
  } else {
    const isRefused = look.sees === 'refused';
    const seen = account(userId, isRefused ? 'ACTIVE' : 'EXPIRED');
    const missing = {
      app: APP,
      appName: 'Slack',
      reason: isRefused ? ('revoked' as const) : ('expired' as const),
      account: seen,
      refusedAccountId: isRefused ? seen.id : null,
    };
    const user = { userId, timeoutMs: 86_400_000, channels: ['webhook'] as const, askedAt };
    const { noticeIds } = await the().user(userId, (tx) => openFlowsFor(tx, user, [missing]));
    if (isRefused) model.isAsking = true;
    if (noticeIds.length > 0) {
      // Told: never twice of one break.
      expect([look.period, model.told.has(look.period)]).toEqual([look.period, false]);
      model.told.add(look.period);
    }
  }
  const after = await stateOf(userId);
  expect(after.open).toBeLessThanOrEqual(1);
  expect(after.notices).toBe(after.episodes);
  expect(after.notices).toBe(model.told.size);
  expect(model.told.size).toBeLessThanOrEqual(model.period);
  // A look that landed at once saw how it is now, and is heeded.
  if (look.at === model.clock) {
    if (look.sees !== 'works') expect(after.open).toBe(1);
    else if (!model.isAsking) expect(after.open).toBe(0);
    else expect(after.open).toBe(before.open);
  }
}

const lookNow = (model: Model, by: string): Look => ({
  by,
  at: model.clock,
  // Only who executes meets a refusal; everybody else sees what Composio shows.
  sees: model.world === 'refused' && by !== 'execution' ? 'works' : model.world,
  period: model.period,
});

type Command = fc.AsyncCommand<Model, Real>;
const command = (
  name: string,
  run: (model: Model, real: Real) => Promise<void>,
  check: (model: Readonly<Model>) => boolean = () => true,
): Command => ({
  check: (model) => check(model),
  run: async (model, real) => {
    await passTime(model, real);
    await run(model, real);
  },
  toString: () => name,
});
const breaks = (world: 'broken' | 'refused') =>
  command(
    world,
    async (model) => {
      model.world = world;
      model.period += 1;
    },
    (model) => model.world === 'works',
  );
const mend = command(
  'mended elsewhere',
  async (model) => {
    model.world = 'works';
  },
  (model) => model.world === 'broken',
);
const look = (by: string) =>
  command(`${by} looks`, async (model) => void model.looks.push(lookNow(model, by)));
const lands = (nth: number) =>
  command(
    `look ${nth} lands`,
    async (model, real) => {
      const [seen] = model.looks.splice(nth % model.looks.length, 1);
      if (seen) await land(model, real, seen);
    },
    (model) => model.looks.length > 0,
  );
const looksAndLands = (by: string) =>
  command(`${by} looks and writes`, (model, real) => land(model, real, lookNow(model, by)));
const reconnect = command('reconnects', async (model, { userId }) => {
  model.world = 'works';
  model.isAsking = false;
  await the().user(userId, async (tx) => {
    const asked = {
      userId,
      app: APP,
      appName: 'Slack',
      reconnect: true,
      returnUrl: null,
      timeoutMs: 86_400_000,
    };
    const { flow } = await openFlow(tx, asked);
    expect(await completeFlow(tx, flow, `ca_${flow.id}`)).toBe(true);
    await closeEpisodes(tx, userId, [APP]);
  });
  expect((await stateOf(userId)).open).toBe(0);
});
const flowExpires = command('the flow expires', async (model, { userId }) => {
  const [flow] = await the().user(userId, (tx) => listOpenFlows(tx, userId));
  if (!flow) return;
  await the().raw(`update connection_flows set expires_at = now() - interval '1 second' where id = $1`, [
    flow.id,
  ]);
  expect(await the().user(userId, (tx) => endFlow(tx, flow.id, 'expired', 'nobody_connected'))).toBe(true);
  if (model.isAsking && model.world === 'refused') model.period += 1;
  model.isAsking = false;
});

const BY = ['audit', 'webhook', 'execution'];
const commands = fc.commands(
  [
    fc.constantFrom(breaks('broken'), breaks('refused')),
    fc.constant(mend),
    fc.constantFrom(...BY).map(look),
    fc.constantFrom(...BY).map(look),
    fc.nat({ max: 5 }).map(lands),
    fc.nat({ max: 5 }).map(lands),
    fc.constantFrom(...BY).map(looksAndLands),
    fc.constant(reconnect),
    fc.constant(flowExpires),
  ],
  { maxCommands: 40 },
);

const property = (isHonest: boolean) =>
  fc.asyncProperty(commands, async (steps) => {
    const userId = await the().newUser();
    const model: Model = {
      world: 'works',
      period: 0,
      clock: 0,
      looks: [],
      told: new Set(),
      isAsking: false,
    };
    await fc.asyncModelRun(() => ({ model, real: { userId, isHonest } }), steps);
  });

test(
  'episodes hold whatever comes in whatever order, and each is one notice',
  async () => {
    await fc.assert(property(true), { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS });
  },
  TIME_LIMIT_MS * 2,
);

test(
  'the model can fail: looks that count as of now when they land late are found out',
  async () => {
    const found = await fc.check(property(false), { seed: 1, numRuns: 200, endOnFailure: true });
    // One break, told twice.
    expect(String(found.errorInstance)).toMatch(/expected \[ \d+, true \] to deeply equal \[ \d+, false \]/);
  },
  TIME_LIMIT_MS * 2,
);
