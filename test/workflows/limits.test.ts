/** What a run may spend, held before it is spent: the model is not asked, and no call leaves, once a limit is reached. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asSystem } from '../../db/scope.ts';
import { listToolCalls } from '../../db/transcript.ts';
import type { RunLimits } from '../../domain/limits.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { approve } from '../setup/decide.ts';

let bellhop: TestBellhop;
beforeAll(async () => {
  bellhop = await startTestBellhop();
});
afterAll(() => bellhop.close());

const write = (markdown_text: string) => ({
  name: 'SLACK_SEND_MESSAGE',
  arguments: { channel: 'general', markdown_text },
});
const tools = ['SLACK_SEND_MESSAGE'];
const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await bellhop.putUser(userId);
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  return userId;
};
async function play(answers: readonly object[], limits: Partial<RunLimits>) {
  const userId = await newUser();
  const marker = randomUUID();
  const runId = await bellhop.start({ userId, task: scripted(answers, marker), tools, limits });
  const run = await bellhop.ended(runId);
  const calls = await asSystem(bellhop.db, (tx) => listToolCalls(tx, runId));
  return {
    end: run.error?.code ?? run.status,
    asked: (await bellhop.modelSandbox.requests({ marker })).length,
    calls: calls.map((call) => call.status),
    sent: (await bellhop.sandbox.journal({ userId })).length,
  };
}
const looping = Array.from({ length: 9 }, (_, i) => ({ toolCalls: [write(`m${i}`)] }));

test('three turns and no fourth', async () => {
  expect(await play(looping, { maxTurns: 3 })).toEqual({
    end: 'limit_turns',
    asked: 3,
    calls: ['done', 'done', 'done'],
    sent: 3,
  });
});

test('two tool calls, and none of a turn that asks for more', async () => {
  const answers = [{ toolCalls: [write('a'), write('b')] }, { toolCalls: [write('c')] }];
  expect(await play(answers, { maxToolCalls: 2 })).toEqual({
    end: 'limit_tool_calls',
    asked: 2,
    calls: ['done', 'done', 'failed'],
    sent: 2,
  });
  expect(await play([{ toolCalls: [write('a'), write('b'), write('c')] }], { maxToolCalls: 2 })).toEqual({
    end: 'limit_tool_calls',
    asked: 1,
    calls: ['failed', 'failed', 'failed'],
    sent: 0,
  });
});

test('tokens that one answer used up end the run before the next answer is asked for', async () => {
  const spent = await play(looping, { maxTokens: 10 });
  expect(spent).toEqual({ end: 'limit_tokens', asked: 1, calls: ['done'], sent: 1 });
});

test('time that an answer used up ends the run before its calls are made', async () => {
  const slow = [
    { toolCalls: [write('late')], fault: { kind: 'latency', ms: 6_000 } },
    { content: 'The end.' },
  ];
  expect(await play(slow, { deadlineMs: 5_000 })).toEqual({
    end: 'limit_deadline',
    asked: 1,
    calls: ['failed'],
    sent: 0,
  });
});

test('waiting for a person is no active time', async () => {
  const userId = await newUser();
  const task = scripted([{ toolCalls: [write('once')] }, { content: 'The end.' }]);
  const limits = { deadlineMs: 8_000 };
  const runId = await bellhop.start({ userId, task, tools, limits, requireApproval: 'writes' });
  await bellhop.until(runId, (run) => run.status === 'waiting_for_approval');
  await new Promise((resolve) => setTimeout(resolve, 8_200));
  await approve(bellhop, { userId, runId, callId: 'call_1_0' });
  expect((await bellhop.ended(runId)).status).toBe('completed');
  expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
});
