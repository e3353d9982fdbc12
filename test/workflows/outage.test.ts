/**
 * Composio or the model away for a while: runs wait and none fails, what a server asks for is kept to the letter, each attempt is
 * one request. Side by side, for back-off takes its time.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import type { FaultAction } from '../../sandbox/composio/faults/fault.ts';
import type { Fault } from '../../sandbox/model/protocol.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { type NewTestRun, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';

const WRITE = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } };
const READ = { name: 'SLACK_LIST_CHANNELS', arguments: {} };
/** A run's own time: more than its work takes on a busy machine, less than the outage lasts, which must not count. */
const DEADLINE_MS = 25_000;
const PAGE = '<!doctype html><title>Maintenance</title>';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

/** A user with an account, whose task makes one read and one write. The user's id is the marker. */
async function newUser(): Promise<string> {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const answers = [{ toolCalls: [READ] }, { toolCalls: [WRITE] }, { content: 'The end.' }];
  await bellhop.modelSandbox.script({ marker: userId, answers });
  return userId;
}
const start = (userId: string, change: Partial<NewTestRun> = {}): Promise<string> =>
  bellhop.start({ userId, task: `Do it, ${userId}.`, tools: [WRITE.name, READ.name], ...change });
const at = (requests: readonly { at: string }[]): number[] => requests.map((one) => Date.parse(one.at));
const callsOf = (runId: string) => asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));

/** How often Temporal began each activity of a run, by its history. */
async function attemptsOf(runId: string): Promise<number[]> {
  const { events } = await bellhop.client.workflow.getHandle(runWorkflowId(runId)).fetchHistory();
  return (events ?? []).flatMap((event) => event.activityTaskStartedEventAttributes?.attempt ?? []);
}

describe.concurrent('an outage', () => {
  /** What each of ten runs meets, five times at its gate: together about half a minute of every kind of outage. */
  const OF_COMPOSIO: readonly FaultAction[] = [
    { type: 'status', status: 503 },
    { type: 'status', status: 502, body: PAGE },
    { type: 'status', status: 200, body: PAGE },
    { type: 'status', status: 404, body: PAGE },
    { type: 'status', status: 403, body: PAGE },
    { type: 'status', status: 429 },
    { type: 'status', status: 503, retryAfter: 4 },
    { type: 'redirect', location: 'http://127.0.0.1:9/sign-in' },
    { type: 'reset' },
    { type: 'malformed', how: 'truncated' },
  ];
  test('of Composio, of every kind, holds ten runs up and fails none; nothing is sent twice', async () => {
    const users = await Promise.all(OF_COMPOSIO.map(() => newUser()));
    await Promise.all(
      OF_COMPOSIO.flatMap((action, i) => {
        const userId = users[i] ?? '';
        return [
          bellhop.sandbox.addFault({ match: { route: 'accounts.list', userId }, action, times: 5 }),
          bellhop.sandbox.addFault({
            match: { route: 'tools.execute', slug: READ.name, userId },
            action,
            times: 1,
          }),
        ];
      }),
    );
    const began = Date.now();
    const limits = { deadlineMs: DEADLINE_MS };
    const runs = await Promise.all(
      users.map(async (userId) => bellhop.ended(await start(userId, { limits }), 240_000)),
    );
    expect(Date.now() - began).toBeGreaterThan(DEADLINE_MS);
    expect(runs.map((run) => [run.status, run.error?.code])).toEqual(
      runs.map(() => ['completed', undefined]),
    );
    for (const userId of users) {
      expect(await bellhop.sandbox.journal({ userId, slug: WRITE.name })).toHaveLength(1);
      expect(await bellhop.sandbox.countRequests({ route: 'tools.execute', slug: WRITE.name, userId })).toBe(
        1,
      );
    }
  }, 300_000);

  const OF_THE_MODEL: readonly Fault[] = [
    { kind: 'status', status: 503 },
    { kind: 'status', status: 500, code: 'insufficient_quota' },
    { kind: 'status', status: 429 },
    { kind: 'raw', status: 502, body: PAGE, contentType: 'text/html' },
    { kind: 'raw', status: 404, body: PAGE, contentType: 'text/html' },
    { kind: 'raw', status: 200, body: PAGE, contentType: 'text/html' },
    { kind: 'raw', status: 302, body: '' },
    { kind: 'invalid_json' },
    { kind: 'empty_body' },
    { kind: 'reset_mid_body' },
  ];
  test('of the model, of every kind, holds ten runs up and fails none, however short their own time is', async () => {
    const users = await Promise.all(OF_THE_MODEL.map(() => newUser()));
    // More often than a useless answer would be borne.
    await Promise.all(
      users.map((marker, i) =>
        bellhop.modelSandbox.fault({ marker, fault: OF_THE_MODEL[i] ?? { kind: 'hang' }, times: 6 }),
      ),
    );
    const began = Date.now();
    const limits = { deadlineMs: DEADLINE_MS };
    const runs = await Promise.all(
      users.map(async (userId) => bellhop.ended(await start(userId, { limits }), 240_000)),
    );
    expect(runs.map((run) => [run.status, run.error?.code, run.usage.modelCalls])).toEqual(
      runs.map(() => ['completed', undefined, 3]),
    );
    expect(Date.now() - began).toBeGreaterThan(DEADLINE_MS);
    for (const [i, userId] of users.entries()) {
      const asked = await bellhop.modelSandbox.requests({ marker: userId });
      expect(asked).toHaveLength(9);
      // One request each: no client of ours repeats anything by itself.
      expect((await attemptsOf(runs[i]?.id ?? '')).toSorted((a, b) => b - a)[0]).toBe(7);
      expect(await bellhop.sandbox.journal({ userId, slug: WRITE.name })).toHaveLength(1);
    }
  }, 300_000);
});

// On a machine so busy that a heartbeat comes too late, Temporal begins a second attempt, whatever the first was told.
describe.concurrent('a server that says when to come again', { retry: 2 }, () => {
  /** In some seconds from now, and when that is. */
  const byDate = () => {
    const date = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 8_000).toUTCString();
    return { retryAfter: date, notBefore: Date.parse(date) };
  };
  type Told = { readonly retryAfter?: string; readonly retryAfterMs?: number; readonly notBefore?: number };

  test.each<[string, () => Told, number]>([
    ['in seconds', () => ({ retryAfter: '4' }), 4_000],
    ['in milliseconds', () => ({ retryAfterMs: 3_500, retryAfter: '1' }), 3_500],
    ['by date', byDate, 1_000],
    ['at once', () => ({ retryAfter: '0' }), 1_000],
  ])('%s: the model is asked no sooner, by its own clock', async (_how, tell, leastMs) => {
    const userId = await newUser();
    const { notBefore = 0, ...header } = tell();
    const fault: Fault = { kind: 'status', status: 429, ...header };
    await bellhop.modelSandbox.fault({ marker: userId, fault, times: 1 });
    const run = await bellhop.ended(await start(userId), 120_000);
    expect(run.status).toBe('completed');
    const [first = 0, second = 0] = at(await bellhop.modelSandbox.requests({ marker: userId }));
    expect(second - first).toBeGreaterThanOrEqual(leastMs);
    expect(second).toBeGreaterThanOrEqual(notBefore);
  });

  test.each<[string, () => Told, number]>([
    ['in seconds', () => ({ retryAfter: '4' }), 4_000],
    ['by date', byDate, 1_000],
    ['at once', () => ({ retryAfter: '0' }), 1_000],
  ])('%s: Composio is asked no sooner, by its own clock', async (_how, tell, leastMs) => {
    const userId = await newUser();
    const { notBefore = 0, retryAfter = '' } = tell();
    const match = { route: 'tools.execute', slug: WRITE.name, userId };
    await bellhop.sandbox.addFault({ match, action: { type: 'status', status: 429, retryAfter }, times: 1 });
    const run = await bellhop.ended(await start(userId), 120_000);
    expect(run.status).toBe('completed');
    const sent = await bellhop.sandbox.requests({ route: 'tools.execute', slug: WRITE.name, userId });
    expect(sent.map((one) => one.status)).toEqual([429, 200]);
    const [first = 0, second = 0] = at(sent);
    expect(second - first).toBeGreaterThanOrEqual(leastMs);
    expect(second).toBeGreaterThanOrEqual(notBefore);
    expect((await callsOf(run.id)).map((call) => [call.status, call.attempts])).toEqual([
      ['done', 1],
      ['done', 2],
    ]);
  });
});

describe.concurrent('a model of no use', () => {
  test('ends the run the fifth time in a row: what was an outage in between does not count', async () => {
    const marker = await newUser();
    const useless: Fault = { kind: 'empty_choices' };
    for (const [fault, times] of [
      [useless, 1],
      [{ kind: 'status', status: 503, retryAfter: '0' }, 1],
      [useless, 5],
    ] as const) {
      await bellhop.modelSandbox.fault({ marker, fault, times });
    }
    const run = await bellhop.ended(await start(marker), 240_000);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'model_error' } });
    expect(run.error?.message).toContain('bad_answer');
    expect(await bellhop.modelSandbox.requests({ marker })).toHaveLength(7);
  }, 300_000);
});
