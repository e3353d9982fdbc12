/**
 * Many runs at once for tests that take something away under them, and the judgement afterwards: each write has a text of its
 * own, so that the sandbox's journal can be held against the ledger, call by call.
 */
import { randomUUID } from 'node:crypto';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { expect } from 'vitest';
import type { Database } from '../../db/pool.ts';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import { parseToolArguments } from '../../activities/tool-arguments.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../../workflows/messages.ts';
import { scripted, type TestBellhop } from './bellhop.ts';
import { until } from './until.ts';

const WRITE = 'SLACK_SEND_MESSAGE';

export type Load = { readonly runIds: readonly string[] };

/** Accepts and starts `runs` runs, each of a user of its own (one user's runs may have to wait for each other), of `turns` turns with one write. */
export async function startLoad(
  bellhop: Pick<TestBellhop, 'putUser' | 'sandbox' | 'accept' | 'client' | 'taskQueue'>,
  { runs, turns }: { runs: number; turns: number },
): Promise<Load> {
  const userIds = Array.from({ length: runs }, () => `user-${randomUUID()}`);
  await bellhop.sandbox.seedAccounts(userIds.map((userId) => ({ userId, app: 'slack' })));
  const write = () => ({
    toolCalls: [{ name: WRITE, arguments: { channel: 'general', markdown_text: randomUUID() } }],
  });
  const runIds = await Promise.all(
    userIds.map(async (userId) => {
      await bellhop.putUser(userId);
      const answers = [...Array.from({ length: turns }, write), { content: 'The end.' }];
      const runId = await bellhop.accept({ userId, task: scripted(answers), tools: [WRITE] });
      await startUntilThere(bellhop, { runId, userId });
      return runId;
    }),
  );
  return { runIds };
}

/** As `sweep` does: an attempt that may have arrived is repeated, and one that did arrive is success. */
async function startUntilThere(
  { client, taskQueue }: Pick<TestBellhop, 'client' | 'taskQueue'>,
  run: { runId: string; userId: string },
): Promise<void> {
  await until(`run ${run.runId} started`, async () => {
    try {
      await client.workflow.start(AGENT_RUN, {
        workflowId: runWorkflowId(run.runId),
        taskQueue,
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        args: [run],
      });
      return true;
    } catch (error) {
      return error instanceof WorkflowExecutionAlreadyStartedError;
    }
  });
}

export type Judgement = {
  readonly runs: Readonly<Record<string, number>>;
  readonly calls: Readonly<Record<string, number>>;
  readonly effects: number;
  /** Texts that happened more than once, and what contradicts the ledger. All must be empty. */
  readonly duplicates: readonly string[];
  readonly contradictions: readonly string[];
  /** Ends that a run has told, other than exactly one. */
  readonly oddEnds: readonly string[];
};

/** Waits for every run's end, then holds journal and ledger against each other. The sandbox must have served this load alone. */
export async function judgeLoad(
  { db, sandbox }: { db: Database; sandbox: TestBellhop['sandbox'] },
  { runIds }: Load,
  timeoutMs: number,
): Promise<Judgement> {
  const read = () =>
    asSystem(db, (tx) =>
      tx
        .selectFrom('runs')
        .select(['id', 'status', 'finished_at'])
        .where('id', 'in', [...runIds])
        .execute(),
    );
  const rows = await until(
    `${runIds.length} runs have ended`,
    async () => {
      // The database may be away for a moment in these tests.
      const seen = await read().catch(() => []);
      return seen.length === runIds.length && seen.every((row) => row.finished_at !== null) ? seen : null;
    },
    timeoutMs,
  );
  const effects = new Map<unknown, number>();
  for (const { arguments: args } of await sandbox.journal({ writesOnly: true }))
    effects.set(args['markdown_text'], (effects.get(args['markdown_text']) ?? 0) + 1);
  const contradictions: string[] = [];
  const oddEnds: string[] = [];
  const calls: string[] = [];
  const ends = await asSystem(db, (tx) =>
    tx
      .selectFrom('run_events')
      .select(['run_id', 'type'])
      .where('run_id', 'in', [...runIds])
      .where('type', 'in', ['run.completed', 'run.failed', 'run.cancelled'])
      .execute(),
  );
  for (const runId of runIds) {
    const told = ends.filter((end) => end.run_id === runId);
    if (told.length !== 1) oddEnds.push(`${runId}: ${told.map((end) => end.type).join()}`);
    for (const call of await asSystem(db, (tx) => listToolCalls(tx, runId))) {
      calls.push(call.status);
      const happened = effects.get(parseToolArguments(call.arguments)['markdown_text']) ?? 0;
      const allowed: readonly number[] =
        { done: [1], unknown: [0, 1], failed: [0] }[call.status as string] ?? [];
      if (!allowed.includes(happened))
        contradictions.push(`${runId} ${call.id}: ${call.status}, ${happened} effects`);
    }
  }
  return {
    runs: count(rows.map((row) => row.status)),
    calls: count(calls),
    effects: [...effects.values()].reduce((sum, one) => sum + one, 0),
    duplicates: [...effects].filter(([, times]) => times > 1).map(([text]) => String(text)),
    contradictions,
    oddEnds,
  };
}

/** What every such test holds. */
export function expectNothingLost(judgement: Judgement, runs: number): void {
  expect(judgement).toMatchObject({
    runs: { completed: runs },
    duplicates: [],
    contradictions: [],
    oddEnds: [],
  });
}

function count(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
