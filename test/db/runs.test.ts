/** Runs: acceptance with the thread's lock, one end, events without gaps, lists that stand still. */
import { describe, expect, test } from 'vitest';
import { recordTurn } from '../../db/record-turn.ts';
import { forUserOnce } from '../../db/scope.ts';
import { acceptRun, withdrawRun } from '../../db/accept-run.ts';
import { appendEvents, listEvents } from '../../db/events.ts';
import {
  finishRun,
  getRun,
  listQuietRuns,
  listRuns,
  listUnheardCancels,
  listUnstartedRuns,
  markRunStarted,
  requestCancel,
  setRunStatus,
} from '../../db/runs.ts';
import { listMessages, listThreadMessages, listToolCalls } from '../../db/transcript.ts';
import { aRun, useDatabase } from './harness.ts';

const the = useDatabase();
const ids = (rows: readonly { run: { id: string } }[]): string[] => rows.map((row) => row.run.id);

describe('acceptance', () => {
  test('locks the thread: of ten runs at once one is accepted, and the others are told which', async () => {
    const userId = await the().newUser();
    const runs = Array.from({ length: 10 }, () => ({ ...aRun(userId), threadId: 't1' }));
    const acceptances = await Promise.all(runs.map((run) => the().user(userId, (tx) => acceptRun(tx, run))));
    const accepted = acceptances.flatMap((a) => (a.kind === 'accepted' ? [a.run.id] : []));
    expect(accepted).toHaveLength(1);
    expect(acceptances.flatMap((a) => (a.kind === 'thread_busy' ? [a.runId] : []))).toEqual(
      Array(9).fill(accepted[0]),
    );
    expect(ids(await the().system((tx) => listRuns(tx, { userId, before: null, limit: 10 })))).toEqual(
      accepted,
    );
  });

  test('writes the task as the first message', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId, { task: 'Hello' });
    const messages = await the().user(userId, (tx) => listMessages(tx, run.id));
    expect(messages).toMatchObject([{ turn: 0, role: 'user', content: 'Hello', toolCallIds: [] }]);
  });

  test('for an unregistered user is refused', async () => {
    const accept = the().user('nobody', (tx) => acceptRun(tx, aRun('nobody')));
    await expect(accept).rejects.toMatchObject({ code: '23503' });
  });

  test('threads of two users with one id do not know each other', async () => {
    const [a, b] = [await the().newUser(), await the().newUser()];
    await the().newRun(a, { threadId: 'shared' });
    expect((await the().newRun(b, { threadId: 'shared' })).threadId).toBe('shared');
  });

  test('a free thread takes the next run after the end, whatever the end was', async () => {
    const userId = await the().newUser();
    const ends = [
      { status: 'completed', output: 'ok' },
      { status: 'cancelled' },
      { status: 'failed', error: { code: 'internal', message: 'x' } },
    ] as const;
    for (const end of ends) {
      const run = await the().newRun(userId, { threadId: 'one' });
      expect(await the().user(userId, (tx) => finishRun(tx, run.id, end))).toBe(true);
    }
    await the().newRun(userId, { threadId: 'one' });
  });
});

describe('withdrawal', () => {
  test('removes a run that never started and frees its thread', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId, { threadId: 't' });
    await the().user(userId, (tx) => withdrawRun(tx, run));
    expect(await the().user(userId, (tx) => getRun(tx, run.id))).toBeNull();
    await the().newRun(userId, { threadId: 't' });
  });

  test('does NOT touch a run whose workflow has run', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId, { threadId: 't' });
    await the().user(userId, (tx) => markRunStarted(tx, run.id, []));
    await the().user(userId, (tx) => withdrawRun(tx, run));
    expect(await the().user(userId, (tx) => getRun(tx, run.id))).not.toBeNull();
    expect(await the().user(userId, (tx) => acceptRun(tx, { ...aRun(userId), threadId: 't' }))).toEqual({
      kind: 'thread_busy',
      runId: run.id,
    });
  });
});

describe('the end of a run', () => {
  test('is the first of many that come at once, and stays', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    const ends = Array.from({ length: 6 }, (_, i) =>
      the().user(userId, (tx) => finishRun(tx, run.id, { status: 'completed', output: String(i) })),
    );
    const won = (await Promise.all(ends)).indexOf(true);
    expect((await Promise.all(ends)).filter(Boolean)).toHaveLength(1);
    expect(await the().user(userId, (tx) => finishRun(tx, run.id, { status: 'cancelled' }))).toBe(false);
    expect(await the().user(userId, (tx) => setRunStatus(tx, run.id, 'running'))).toBe(false);
    expect(await the().user(userId, (tx) => requestCancel(tx, run.id))).toBe(false);
    expect(await the().user(userId, (tx) => getRun(tx, run.id))).toMatchObject({
      status: 'completed',
      output: String(won),
      cancelRequestedAt: null,
    });
  });

  test('of an older run does NOT free the thread for the run that has it now', async () => {
    const userId = await the().newUser();
    const first = await the().newRun(userId, { threadId: 't' });
    await the().user(userId, (tx) => finishRun(tx, first.id, { status: 'cancelled' }));
    const second = await the().newRun(userId, { threadId: 't' });
    await the().user(userId, (tx) => finishRun(tx, first.id, { status: 'cancelled' }));
    const busy = await the().user(userId, (tx) => acceptRun(tx, { ...aRun(userId), threadId: 't' }));
    expect(busy).toEqual({ kind: 'thread_busy', runId: second.id });
  });
});

describe('events', () => {
  test('of twenty writers at once are numbered from 1 without a gap', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        the().user(userId, (tx) =>
          appendEvents(
            tx,
            run,
            Array.from({ length: (i % 3) + 1 }, () => ({ type: 'model.completed' as const, data: { i } })),
          ),
        ),
      ),
    );
    const events = await the().user(userId, (tx) => listEvents(tx, run.id, { after: 0, limit: 100 }));
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: events.length }, (_, i) => i + 1));
    expect(events).toHaveLength(Array.from({ length: 20 }, (_, i) => (i % 3) + 1).reduce((a, b) => a + b));
    expect((await the().user(userId, (tx) => getRun(tx, run.id)))?.lastEventSeq).toBe(events.length);
  });

  test('take their numbers back with their transaction, and a reader never sees a hole', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    const seen: number[][] = [];
    const over = new AbortController();
    const reader = (async () => {
      while (!over.signal.aborted) {
        const events = await the().system((tx) => listEvents(tx, run.id, { after: 0, limit: 100 }));
        seen.push(events.map((event) => event.seq));
      }
    })();
    await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) =>
        the().user(userId, async (tx) => {
          await appendEvents(tx, run, [{ type: 'tool.started' }]);
          if (i % 2 === 0) throw new Error('rolled back');
        }),
      ),
    );
    over.abort();
    await reader;
    seen.push(
      (await the().system((tx) => listEvents(tx, run.id, { after: 0, limit: 100 }))).map((e) => e.seq),
    );
    expect(seen.at(-1)).toHaveLength(15);
    for (const seqs of seen) expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  });

  test('are listed after a number, in order, as many as asked', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    const types = ['run.started', 'model.completed', 'run.completed'] as const;
    await the().user(userId, (tx) =>
      appendEvents(
        tx,
        run,
        types.map((type) => ({ type })),
      ),
    );
    const page = await the().user(userId, (tx) => listEvents(tx, run.id, { after: 1, limit: 1 }));
    expect(page).toMatchObject([{ seq: 2, type: 'model.completed', runId: run.id, data: {} }]);
  });

  test('of a run that is gone write nothing', async () => {
    const userId = await the().newUser();
    await the().user(userId, (tx) => appendEvents(tx, { id: 'gone', userId }, [{ type: 'run.started' }]));
    expect(await the().system((tx) => listEvents(tx, 'gone', { after: 0, limit: 9 }))).toEqual([]);
  });
});

describe('the list of runs', () => {
  test('pages by keyset: newest first, none twice and none left out although runs come in between', async () => {
    const userId = await the().newUser();
    const made: string[] = [];
    for (let i = 0; i < 7; i += 1) made.unshift((await the().newRun(userId)).id);
    // Two in one microsecond: the id decides.
    await the().raw(
      'update runs set created_at = (select created_at from runs where id = $1) where id = $2',
      [made[3], made[4]],
    );
    const listed: string[] = [];
    let before: { createdAt: string; id: string } | null = null;
    for (;;) {
      const after: typeof before = before;
      const page: Awaited<ReturnType<typeof listRuns>> = await the().system((tx) =>
        listRuns(tx, { userId, before: after, limit: 2 }),
      );
      listed.push(...ids(page));
      const last = page.at(-1);
      if (page.length < 2 || !last) break;
      before = { createdAt: last.createdAtText, id: last.run.id };
      await the().newRun(userId);
    }
    expect(listed.toSorted()).toEqual(made.toSorted());
    expect(listed.filter((id) => id !== made[3] && id !== made[4])).toEqual(
      made.filter((id) => id !== made[3] && id !== made[4]),
    );
  });

  test('is narrowed by user and status', async () => {
    const [a, b] = [await the().newUser(), await the().newUser()];
    const [one, two] = [await the().newRun(a), await the().newRun(a)];
    await the().newRun(b);
    await the().user(a, (tx) => finishRun(tx, one.id, { status: 'cancelled' }));
    const list = (status: 'running' | 'cancelled' | 'failed') =>
      the()
        .system((tx) => listRuns(tx, { userId: a, status, before: null, limit: 9 }))
        .then(ids);
    expect([await list('running'), await list('cancelled'), await list('failed')]).toEqual([
      [two.id],
      [one.id],
      [],
    ]);
  });
});

describe('what the sweep asks for', () => {
  const backdate = (column: string, runId: string) =>
    the().raw(`update runs set ${column} = now() - interval '1 hour' where id = $1`, [runId]);

  test('unstarted runs: only those that are old enough, not started and not ended', async () => {
    const userId = await the().newUser();
    const [old, fresh, started, ended] = [1, 2, 3, 4].map(() => the().newRun(userId));
    for (const run of [old, started, ended]) await backdate('created_at', (await run)?.id ?? '');
    await the().user(userId, async (tx) => markRunStarted(tx, (await started)?.id ?? '', []));
    await the().user(userId, async (tx) => finishRun(tx, (await ended)?.id ?? '', { status: 'cancelled' }));
    const found = await the().system((tx) => listUnstartedRuns(tx, { olderThanMs: 60_000, limit: 99 }));
    expect(found).toEqual([{ id: (await old)?.id, userId }]);
    expect((await fresh)?.startedAt).toBeNull();
  });

  test('quiet runs: a keyset page of those that have started and not changed', async () => {
    const userId = await the().newUser();
    const quiet: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      const run = await the().newRun(userId);
      await the().user(userId, (tx) => markRunStarted(tx, run.id, []));
      if (i < 2) quiet.push(run.id);
      if (i < 2) await backdate('updated_at', run.id);
    }
    quiet.sort();
    const page = (after: string | null) =>
      the()
        .system((tx) => listQuietRuns(tx, { quietForMs: 60_000, after, limit: 1 }))
        .then((rows) => rows.map((r) => r.id));
    expect([await page(null), await page(quiet[0] ?? ''), await page(quiet[1] ?? '')]).toEqual([
      [quiet[0]],
      [quiet[1]],
      [],
    ]);
  });

  test('cancellations that nobody heard: not fresh ones, and none of ended runs', async () => {
    const userId = await the().newUser();
    const [unheard, fresh, ended] = [
      await the().newRun(userId),
      await the().newRun(userId),
      await the().newRun(userId),
    ];
    for (const run of [unheard, fresh, ended]) await the().user(userId, (tx) => requestCancel(tx, run.id));
    for (const run of [unheard, ended]) await backdate('cancel_requested_at', run.id);
    await the().user(userId, (tx) => finishRun(tx, ended.id, { status: 'cancelled' }));
    const found = await the().system((tx) => listUnheardCancels(tx, { olderThanMs: 60_000, limit: 9 }));
    expect(found).toEqual([{ id: unheard.id, userId }]);
  });
});

describe('the transcript', () => {
  const message = (runId: string, userId: string, turn: number, content: string, calls = 0) => ({
    runId,
    userId,
    turn,
    content,
    toolCalls: Array.from({ length: calls }, (_, position) => ({
      id: `call_${turn}_${position}`,
      tool: 'T',
      app: null,
      isWrite: false,
      arguments: '{}',
      position,
    })),
    usage: { inputTokens: 1, outputTokens: 2 },
  });

  test('takes a turn once: the first of five attempts wins, with its calls', async () => {
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    const wrote = await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        forUserOnce(
          the().db,
          userId,
          recordTurn({ message: message(run.id, userId, 1, `v${n}`, n), events: [], output: null }),
        ),
      ),
    );
    expect(wrote.filter(Boolean)).toHaveLength(1);
    const winner = wrote.findIndex((recorded) => recorded !== null) + 1;
    const messages = await the().user(userId, (tx) => listMessages(tx, run.id));
    expect(messages[1]).toMatchObject({ turn: 1, content: `v${winner}` });
    const calls = await the().user(userId, (tx) => listToolCalls(tx, run.id));
    expect(calls.map((call) => call.position)).toEqual(Array.from({ length: winner }, (_, i) => i));
  });

  test('reminds of ended runs of the same thread and user only, oldest first, without turns that called tools', async () => {
    const [userId, other] = [await the().newUser(), await the().newUser()];
    const say = async (owner: string, threadId: string, task: string, isEnded = true) => {
      const run = await the().newRun(owner, { threadId, task });
      await forUserOnce(
        the().db,
        owner,
        recordTurn({ message: message(run.id, owner, 1, 'calls', 1), events: [], output: null }),
      );
      await forUserOnce(
        the().db,
        owner,
        recordTurn({ message: message(run.id, owner, 2, `answer to ${task}`), events: [], output: null }),
      );
      if (isEnded)
        await the().user(owner, (tx) => finishRun(tx, run.id, { status: 'completed', output: '' }));
      return run;
    };
    await say(other, 't', 'foreign');
    await say(userId, 'elsewhere', 'other thread');
    await say(userId, 't', 'one');
    await say(userId, 't', 'two');
    const now = await the().newRun(userId, { threadId: 't', task: 'now' });
    const remembered = await the().user(userId, (tx) => listThreadMessages(tx, now, 40));
    expect(remembered.map((m) => m.content)).toEqual(['one', 'answer to one', 'two', 'answer to two']);
    const newest = await the().user(userId, (tx) => listThreadMessages(tx, now, 2));
    expect(newest.map((m) => m.content)).toEqual(['two', 'answer to two']);
  });
});
