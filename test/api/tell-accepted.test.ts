/** Who is told that a consent was accepted, and in which order: the flow alone, or its runs first and the flow when the crowd is through. */
import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import pino from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CallbackDesk } from '../../api/connect/callback-desk.ts';
import { createLater } from '../../api/connect/later.ts';
import { tellAccepted } from '../../api/connect/tell-accepted.ts';
import type { Flow } from '../../db/flows.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const flow = { id: 'f1', userId: 'alice', app: 'slack' } as Flow;

function aStage({ waiting = 0 } = {}) {
  const told: string[] = [];
  const warned: string[] = [];
  const fail = new Map<string, Error>();
  const crowd = { waiting };
  const tell = async (who: string): Promise<void> => {
    told.push(who);
    const error = fail.get(who);
    if (error) throw error;
  };
  const temporal = {
    withDeadline: (_: number, work: () => Promise<unknown>) => work(),
    workflow: {
      getHandle: (id: string) => ({ signal: (_: unknown, { app }: { app: string }) => tell(`${id} ${app}`) }),
      signalWithStart: (
        _: string,
        { workflowId, workflowIdReusePolicy, signalArgs }: Record<string, unknown>,
      ) => tell(`${String(workflowId)} ${JSON.stringify(signalArgs)} ${String(workflowIdReusePolicy)}`),
    },
  } as unknown as Client;
  const later = createLater({ isCalm: () => crowd.waiting === 0 });
  const callbackDesk = { turnstile: crowd, later } as unknown as CallbackDesk;
  const log = pino({ level: 'warn' }, { write: (line: string) => void warned.push(line) });
  return {
    told,
    warned,
    fail,
    crowd,
    later,
    accept: (runIds: readonly string[]) =>
      tellAccepted({ temporal, taskQueue: 'q', callbackDesk }, { flow, runIds }, log),
  };
}
const FLOW = 'connect-f1 [{"app":"slack"}] ALLOW_DUPLICATE_FAILED_ONLY';

test('without a crowd the flow alone is told, which wakes its runs', async () => {
  const stage = aStage();
  await stage.accept(['r1', 'r2']);
  expect(stage.told).toEqual([FLOW]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stage.told).toEqual([FLOW]);
});

test('in a crowd the runs are told, and the flow when nobody waits any more', async () => {
  const stage = aStage({ waiting: 1 });
  await stage.accept(['r1', 'r2']);
  expect(stage.told).toEqual(['run-r1 slack', 'run-r2 slack']);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stage.told).toHaveLength(2);
  stage.crowd.waiting = 0;
  await vi.advanceTimersByTimeAsync(500);
  expect(stage.told.slice(2)).toEqual([FLOW]);
});

test('one user’s runs that are too many for a crowd to wait for are woken by the flow', async () => {
  const stage = aStage({ waiting: 1 });
  await stage.accept(Array.from({ length: 33 }, (_, i) => `r${i}`));
  expect(stage.told).toEqual([FLOW]);
});

test('a run that is gone is no error, one that cannot be told is the sweep’s, and the others and the flow are told', async () => {
  const stage = aStage({ waiting: 1 });
  stage.fail.set('run-r1 slack', new WorkflowNotFoundError('gone', 'run-r1', undefined));
  stage.fail.set('run-r2 slack', new Error('unavailable'));
  await stage.accept(['r1', 'r2', 'r3']);
  expect(stage.told).toEqual(['run-r1 slack', 'run-r2 slack', 'run-r3 slack']);
  expect(stage.warned.map((line) => (JSON.parse(line) as { runId: string }).runId)).toEqual(['r2']);
  stage.crowd.waiting = 0;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(stage.told.at(-1)).toBe(FLOW);
});

test('a flow that cannot be told is told later, and one whose workflow is over need not be', async () => {
  const stage = aStage();
  stage.fail.set(FLOW, new Error('unavailable'));
  await stage.accept(['r1']);
  await vi.advanceTimersByTimeAsync(1_500);
  expect([stage.told.length, stage.warned.length]).toEqual([2, 2]);
  stage.fail.set(FLOW, new WorkflowExecutionAlreadyStartedError('is over', 'connect-f1', 'connectAccount'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([stage.told.length, stage.warned.length, stage.later.waiting]).toEqual([3, 2, 0]);
});
