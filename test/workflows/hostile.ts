/** A run whose model answers as a test says, and what every such run must keep whatever the answers are. */
import { randomUUID } from 'node:crypto';
import { temporal } from '@temporalio/proto';
import { expect } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import type { Fault, ScriptedAnswer } from '../../sandbox/model/protocol.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { grammarErrors } from '../activities/grammar.ts';
import type { NewTestRun, TestBellhop } from '../setup/bellhop.ts';

const { HistoryEvent } = temporal.api.history.v1;
export const WRITE = 'SLACK_SEND_MESSAGE';
export const READ = 'SLACK_LIST_CHANNELS';
export const GOOD = { channel: 'general', markdown_text: 'once' };
export const TOOLS = [WRITE, READ];

/** A run that meets these answers. Whatever they are, it ends, in the grammar, with a small history, executing what was valid. */
export async function drive(
  bellhop: TestBellhop,
  answers: readonly ScriptedAnswer[],
  change: Partial<NewTestRun> = {},
) {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  await bellhop.modelSandbox.script({ marker: userId, answers: [...answers, { content: 'The end.' }] });
  const limits = { maxTurns: 200, maxToolCalls: 500, maxTokens: 2_000_000, ...change.limits };
  const runId = await bellhop.start({ userId, task: `Do it, ${userId}.`, tools: TOOLS, ...change, limits });
  const run = await bellhop.ended(runId, 120_000);
  const asked = await bellhop.modelSandbox.requests({ marker: userId });
  const bodies = asked.map(
    (one) => one.body as { messages: { role: string; content: string | null }[]; tools: unknown[] },
  );
  for (const body of bodies) expect(grammarErrors(body.messages)).toEqual([]);
  // 400 is what the API answers to a transcript that it cannot read.
  const isToldSo = answers.some(({ fault }) => fault?.kind === 'status' && fault.status === 400);
  if (!isToldSo) expect(asked.map((one) => one.outcome)).not.toContain(400);
  const handle = bellhop.client.workflow.getHandle(runWorkflowId(runId));
  await handle.result();
  const { events } = await handle.fetchHistory();
  const sizes = (events ?? []).map((event) => HistoryEvent.encode(event).finish().length);
  expect(sizes.length).toBeGreaterThan(5);
  expect(Math.max(...sizes)).toBeLessThan(100_000);
  const told = (bodies.at(-1)?.messages ?? [])
    .filter((one) => one.role === 'tool')
    .map((one) => one.content ?? '');
  const effects = await bellhop.sandbox.journal({ userId, writesOnly: true });
  const sent = await bellhop.sandbox.countRequests({ route: 'tools.execute', userId });
  return {
    run,
    calls: await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId)),
    told,
    effects: effects.length,
    sent,
    asked: asked.length,
    bodies,
  };
}
export const calls = (
  ...toolCalls: { name: string; arguments?: unknown; id?: string }[]
): ScriptedAnswer => ({
  toolCalls,
});
export const rawAnswer = (message: object, more: object = {}, finish = 'stop'): Fault => ({
  kind: 'raw',
  body: JSON.stringify({
    id: 'c',
    object: 'chat.completion',
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
    usage: { prompt_tokens: 10, completion_tokens: 5 },
    ...more,
  }),
});
export const wireCall = (name: string, args: unknown, id: unknown = 'c1') => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});
