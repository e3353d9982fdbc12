/** The tool ledger against PostgreSQL: its table of transitions, its compare-and-set, and a model of it driven at random. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ToolCallOutcome,
  abandonOpenCalls,
  getToolCall,
  hasUnknownWrite,
  msUntilDeadline,
  releaseToolCall,
  settleToolCall,
  startToolCall,
} from '../../db/ledger.ts';
import { forUserOnce } from '../../db/scope.ts';
import { TOOL_CALL_STATUSES, TOOL_CALL_TRANSITIONS, type ToolCallStatus } from '../../domain/statuses.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

type Key = { runId: string; callId: string; userId: string };
const newKey = async (isWrite = true): Promise<Key> => {
  const userId = await the().newUser();
  return { ...(await the().newCall(userId, isWrite)), userId };
};
const OUTCOMES: Readonly<Record<'done' | 'failed' | 'unknown', ToolCallOutcome>> = {
  done: { status: 'done', result: { ok: true }, logId: 'log_1' },
  failed: { status: 'failed', error: 'no' },
  unknown: { status: 'unknown', error: 'lost' },
};
const start = (key: Key, expectedAttempts: number, timeoutMs = 1_000) =>
  forUserOnce(
    the().db,
    key.userId,
    startToolCall({
      ...key,
      expectedAttempts,
      accountId: 'ca_1',
      digest: 'd',
      timeoutMs,
      needsApproval: false,
    }),
  );
const settle = (key: Key, attempt: number, outcome: ToolCallOutcome) =>
  forUserOnce(the().db, key.userId, settleToolCall({ ...key, attempt }, outcome));
const release = (key: Key, attempt: number, to: 'pending' | 'waiting') =>
  the().user(key.userId, (tx) => releaseToolCall(tx, { ...key, attempt }, to));
const read = async (key: Key) => {
  const call = await the().user(key.userId, (tx) => getToolCall(tx, key));
  if (!call) throw new Error('no call');
  return call;
};
/** Puts the call into a state that the functions under test need not be able to reach. */
const force = (key: Key, status: ToolCallStatus, attempts: number) =>
  the().raw('update tool_calls set status = $1, attempts = $2 where run_id = $3', [
    status,
    attempts,
    key.runId,
  ]);

describe('the table of transitions', () => {
  test('is what the ledger allows, from each status to each', async () => {
    const key = await newKey();
    const moves: readonly [ToolCallStatus, (attempts: number) => Promise<boolean>][] = [
      ['started', async (n) => (await start(key, n)) !== null],
      ['pending', (n) => release(key, n, 'pending')],
      ['waiting', (n) => release(key, n, 'waiting')],
      ['done', (n) => settle(key, n, OUTCOMES.done)],
      ['failed', (n) => settle(key, n, OUTCOMES.failed)],
      ['unknown', (n) => settle(key, n, OUTCOMES.unknown)],
    ];
    for (const from of TOOL_CALL_STATUSES) {
      for (const attempts of from === 'started' ? [1] : [0, 1]) {
        for (const [to, move] of moves) {
          await force(key, from, attempts);
          // `unknown` is left only by a person's resolution, which is no worker's move.
          const isLegal = from !== 'unknown' && TOOL_CALL_TRANSITIONS[from].includes(to);
          expect([from, attempts, to, await move(attempts)]).toEqual([from, attempts, to, isLegal]);
          expect((await read(key)).status).toBe(isLegal ? to : from);
        }
      }
    }
  });
});

describe('a start', () => {
  test('is given to exactly one of ten that read the same', async () => {
    const key = await newKey();
    const numbers = await Promise.all(Array.from({ length: 10 }, () => start(key, 0)));
    expect(numbers.filter((n) => n !== null)).toEqual([1]);
    expect(await read(key)).toMatchObject({ status: 'started', attempts: 1, accountId: 'ca_1', digest: 'd' });
  });

  test('is refused to a frozen attempt once a newer one has started', async () => {
    const key = await newKey();
    expect(await start(key, 0)).toBe(1);
    expect(await start(key, 1)).toBe(2);
    expect(await start(key, 0)).toBeNull();
    expect(await start(key, 1)).toBeNull();
    expect((await read(key)).attempts).toBe(2);
  });

  test('sets the deadline by the database’s clock, and it runs down to zero, not below', async () => {
    const key = await newKey();
    const left = () => the().user(key.userId, (tx) => msUntilDeadline(tx, key));
    expect(await left()).toBe(0);
    await start(key, 0, 60_000);
    expect(await left()).toBeGreaterThan(50_000);
    expect(await left()).toBeLessThanOrEqual(60_000);
    await the().raw(`update tool_calls set deadline_at = now() - interval '1 hour' where run_id = $1`, [
      key.runId,
    ]);
    expect(await left()).toBe(0);
  });

  test('by another user changes nothing', async () => {
    const key = await newKey();
    const stranger = await the().newUser();
    expect(await start({ ...key, userId: stranger }, 0)).toBeNull();
    expect(await settle({ ...key, userId: stranger }, 0, OUTCOMES.failed)).toBe(false);
    expect(await read(key)).toMatchObject({ status: 'pending', attempts: 0 });
  });
});

describe('an outcome', () => {
  test('of an older attempt does NOT overwrite a newer attempt’s', async () => {
    const key = await newKey(false);
    await start(key, 0);
    await start(key, 1);
    expect(await settle(key, 1, OUTCOMES.done)).toBe(false);
    expect(await settle(key, 2, OUTCOMES.failed)).toBe(true);
    expect(await settle(key, 2, OUTCOMES.done)).toBe(false);
    expect(await read(key)).toMatchObject({ status: 'failed', error: 'no', result: null });
  });

  test('keeps text that PostgreSQL cannot, with what it cannot keep replaced', async () => {
    const key = await newKey();
    await start(key, 0);
    const outcome = { status: 'failed', error: 'a\0b', result: { 'k\0': '\ud800' }, logId: 'log\0' } as const;
    expect(await settle(key, 1, outcome)).toBe(true);
    expect(await read(key)).toMatchObject({ error: 'a\uFFFDb', result: { 'k\uFFFD': '\uFFFD' } });
  });

  test('comes back as the JSON value that it was', async () => {
    for (const result of [
      null,
      0,
      '',
      'text',
      false,
      [],
      {},
      [1, 'a', null],
      { a: { b: [1.5] } },
      '"quoted"',
    ]) {
      const key = await newKey();
      await start(key, 0);
      await settle(key, 1, { status: 'done', result, logId: null });
      expect((await read(key)).result).toEqual(result);
    }
  });
});

describe('a write with an unknown outcome', () => {
  test('bars other calls of the same tool and account in this run, and nothing else', async () => {
    const key = await newKey();
    await start(key, 0);
    await settle(key, 1, OUTCOMES.unknown);
    const isBarred = (
      changes: Partial<{ runId: string; callId: string; tool: string; accountId: string | null }>,
    ) =>
      the().user(key.userId, (tx) =>
        hasUnknownWrite(tx, {
          runId: key.runId,
          callId: 'call_2_0',
          tool: 'SLACK_SEND_MESSAGE',
          accountId: 'ca_1',
          ...changes,
        }),
      );
    expect(await isBarred({})).toBe(true);
    expect(await isBarred({ callId: key.callId })).toBe(false);
    expect(await isBarred({ tool: 'GMAIL_SEND_EMAIL' })).toBe(false);
    expect(await isBarred({ accountId: 'ca_2' })).toBe(false);
    expect(await isBarred({ accountId: null })).toBe(false);
    expect(await isBarred({ runId: (await the().newRun(key.userId)).id })).toBe(false);
    await the().raw('update tool_calls set is_write = false where run_id = $1', [key.runId]);
    expect(await isBarred({})).toBe(false);
  });
});

describe('the end of a run', () => {
  test('makes a started write unknown, fails what was read or never sent, and leaves what has ended', async () => {
    for (const [isWrite, from, to] of [
      [true, 'started', 'unknown'],
      [false, 'started', 'failed'],
      [true, 'pending', 'failed'],
      [true, 'waiting', 'failed'],
      [true, 'done', 'done'],
    ] as const) {
      const key = await newKey(isWrite);
      await force(key, from, 1);
      const writes = await the().system((tx) => abandonOpenCalls(tx, key.runId));
      expect([from, (await read(key)).status, writes.length]).toEqual([from, to, to === 'unknown' ? 1 : 0]);
    }
  });
});

/** What the ledger must be, in a few lines: the model that random histories are compared with. */
type Model = { status: ToolCallStatus; attempts: number };
type Move = { move: 'start' | 'done' | 'failed' | 'unknown' | 'pending' | 'waiting'; behind: number };

function expected(model: Model, { move, behind }: Move): { works: boolean; next: Model } {
  const to = move === 'start' ? 'started' : move;
  const isOpen = model.status !== 'unknown' && TOOL_CALL_TRANSITIONS[model.status].includes(to);
  const works = isOpen && behind === 0;
  if (!works) return { works, next: model };
  return { works, next: { status: to, attempts: model.attempts + (move === 'start' ? 1 : 0) } };
}

describe('any history of moves', () => {
  test('ends where the model says, and no call that has an end is ever sent again', async () => {
    const moves = fc.array(
      fc.record<Move>({
        move: fc.constantFrom('start', 'start', 'done', 'failed', 'unknown', 'pending', 'waiting'),
        behind: fc.constantFrom(0, 0, 0, 1),
      }),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(moves, async (history) => {
        const key = await newKey();
        let model: Model = { status: 'pending', attempts: 0 };
        for (const step of history) {
          const attempt = model.attempts - step.behind;
          const works =
            step.move === 'start'
              ? (await start(key, attempt)) !== null
              : step.move === 'pending' || step.move === 'waiting'
                ? await release(key, attempt, step.move)
                : await settle(key, attempt, OUTCOMES[step.move]);
          const { works: should, next } = expected(model, step);
          expect([step, model.status, works]).toEqual([step, model.status, should]);
          model = next;
        }
        const { status, attempts } = await read(key);
        expect({ status, attempts }).toEqual(model);
      }),
      { numRuns: 40 },
    );
  });
});
