/**
 * The core promise: 30 users' runs at once through one worker, with shuffled latencies and canary strings. Held by the
 * sandbox's journal and by what the model was sent, never by our own tables. `SABOTAGE=skip-scope npx vitest run
 * test/isolation` breaks the scope on purpose, and must exit 1.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SDK_NAMES } from '../../composio/sdk-port.ts';
import { type TestBellhop, scripted, startTestBellhop } from '../setup/bellhop.ts';

const USERS = 30;
/** Of each request at Composio: enough that any two users' requests overlap. */
const LATENCY_MS = { minMs: 0, maxMs: 60 };
const SEED = Number(process.env['SEED'] ?? 20261121);

type Guest = { readonly userId: string; readonly canary: string; readonly accountId: string };
type Violations = {
  /** Executions that did not use the account of the user for whom they were made. */
  readonly crossed: readonly string[];
  /** Model requests that held another user's canary. */
  readonly leaked: readonly string[];
  readonly executions: number;
  readonly modelRequests: number;
};

/** Runs all guests' runs at once and judges. Throws only when the stage itself fails. */
async function play(bellhop: TestBellhop): Promise<Violations> {
  await bellhop.sandbox.addFault({ action: { type: 'latency', ...LATENCY_MS, seed: SEED } });
  const guests: Guest[] = [];
  for (let n = 0; n < USERS; n += 1) {
    const userId = `guest-${n}-${randomUUID()}`;
    const canary = `canary${randomUUID().replaceAll('-', '')}`;
    await bellhop.putUser(userId);
    const { id } = await bellhop.sandbox.seedAccount({
      userId,
      app: 'slack',
      status: 'ACTIVE',
      accountName: canary,
    });
    guests.push({ userId, canary, accountId: id });
  }
  const runIds = await Promise.all(
    guests.map((guest, n) =>
      bellhop.start({
        userId: guest.userId,
        task: taskOf(guest, n),
        tools: ['SLACK_LIST_CHANNELS', 'SLACK_SEND_MESSAGE'],
      }),
    ),
  );
  // One after the other: thirty pollers would fight the worker for the database.
  for (const id of runIds) await bellhop.ended(id);
  return judge(bellhop, guests);
}

/** A read, whose result carries the account's canary, then two writes side by side with the user's, at uneven pace. */
function taskOf({ canary }: Guest, n: number): string {
  const send = (part: string) => ({
    name: 'SLACK_SEND_MESSAGE',
    arguments: { channel: 'general', markdown_text: `${canary} ${part}` },
  });
  const pace = (turn: number) => ({ fault: { kind: 'latency', ms: ((n * 7 + turn * 13 + SEED) % 9) * 10 } });
  return scripted(
    [
      { toolCalls: [{ name: 'SLACK_LIST_CHANNELS', arguments: {} }], ...pace(1) },
      { toolCalls: [send('first'), send('second')], ...pace(2) },
      { content: `Done for ${canary}.`, ...pace(3) },
    ],
    `Say ${canary} twice.`,
  );
}

async function judge(bellhop: TestBellhop, guests: readonly Guest[]): Promise<Violations> {
  const crossed: string[] = [];
  const journal = await bellhop.sandbox.journal();
  for (const effect of journal) {
    const text = JSON.stringify(effect.arguments);
    // Writes name their user by canary; reads are judged by entity and owner.
    const author = effect.readOnly
      ? guests.find((g) => g.userId === effect.userId)
      : guests.find((g) => text.includes(g.canary));
    const isOwn =
      author?.userId === effect.userId &&
      author.userId === effect.accountOwner &&
      author.accountId === effect.accountId;
    if (!isOwn)
      crossed.push(
        `${effect.slug} for ${author?.userId ?? 'nobody'} used the account of ${effect.accountOwner ?? 'nobody'}`,
      );
  }
  // The stage is sound only if everybody acted: three executions each, no more.
  for (const guest of guests) {
    const own = journal.filter((effect) => effect.accountId === guest.accountId).length;
    if (own !== 3) crossed.push(`${guest.userId}'s account was used ${own} times`);
  }
  const leaked: string[] = [];
  const requests = await bellhop.modelSandbox.requests({ limit: 1_000 });
  for (const request of requests) {
    const text = JSON.stringify(request.body);
    const seen = guests.filter((guest) => text.includes(guest.canary));
    if (seen.length !== 1) leaked.push(`request ${request.seq} held the canaries of ${seen.length} users`);
  }
  return { crossed, leaked, executions: journal.length, modelRequests: requests.length };
}

const sabotage = process.env['SABOTAGE'];

describe.each(SDK_NAMES)(`${USERS} users at once through one worker with %s (seed ${SEED})`, (sdk) => {
  let bellhop: TestBellhop;
  beforeAll(async () => {
    bellhop = await startTestBellhop(sabotage === 'skip-scope' ? { sdk, sabotage } : { sdk });
  });
  afterAll(() => bellhop.close());

  test('every execution uses its own user’s account, and no model request sees another user’s canary', async () => {
    const violations = await play(bellhop);
    expect(violations.crossed).toEqual([]);
    expect(violations.leaked).toEqual([]);
    expect(violations.executions).toBe(USERS * 3);
    expect(violations.modelRequests).toBe(USERS * 3);
  });
});

describe('the judge', () => {
  let bellhop: TestBellhop;
  beforeAll(async () => {
    bellhop = await startTestBellhop({ sabotage: 'skip-scope' });
  });
  afterAll(() => bellhop.close());

  test('finds the crossings and the leaks when the scope is skipped on purpose', async () => {
    const violations = await play(bellhop);
    expect(violations.crossed.length).toBeGreaterThan(USERS);
    expect(violations.leaked.length).toBeGreaterThan(0);
  });
});
