/** Accepted runs for a bench: rows as the API writes them, with a scripted model. */
import { randomUUID } from 'node:crypto';
import { acceptRun } from '../db/accept-run.ts';
import type { Database } from '../db/pool.ts';
import { forUser } from '../db/scope.ts';
import { MAX_LIMITS } from '../domain/limits.ts';

export const BENCH_TOOL = 'SLACK_SEND_MESSAGE';

/** A task whose inline script makes `turns` turns of `width` calls each, then answers. */
export function scriptedTask(turns: number, width = 1): string {
  const call = { name: BENCH_TOOL, arguments: { channel: 'general', markdown_text: 'hello' } };
  const turn = { toolCalls: Array.from({ length: width }, () => call) };
  const answers = [...Array.from({ length: turns }, () => turn), { content: 'Done.' }];
  return `Say hello.\n\`\`\`script\n${JSON.stringify(answers)}\n\`\`\``;
}

export async function acceptBenchRun(
  db: Database,
  userId: string,
  task: string,
  tools: readonly string[] = [BENCH_TOOL],
): Promise<string> {
  const id = randomUUID();
  await forUser(db, userId, (tx) =>
    acceptRun(tx, {
      id,
      userId,
      threadId: randomUUID(),
      task,
      instructions: null,
      model: null,
      tools,
      onMissingConnection: 'wait',
      connectTimeoutMs: 86_400_000,
      approvals: { require: 'none', timeoutMs: 60_000 },
      onUnknownOutcome: 'continue',
      limits: MAX_LIMITS,
      metadata: {},
    }),
  );
  return id;
}
