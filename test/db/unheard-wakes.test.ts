/** Runs that were told a moment ago to go on, and have not: what a crowd of callbacks is paced by. */
import { expect, test } from 'vitest';
import { completeFlow, endFlow } from '../../db/flows.ts';
import { resumeRunAtOnce } from '../../db/resume-run.ts';
import { asSystemOnce, forUserInTurn } from '../../db/scope.ts';
import { countUnheardWakes } from '../../db/unheard-wakes.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
const count = (): Promise<number> => asSystemOnce(the().db, countUnheardWakes());

async function park(): Promise<{ userId: string; runId: string; flowId: string }> {
  const { flows, ...parked } = await the().parkRun(await the().newUser());
  return { ...parked, flowId: flows.get('slack')?.id ?? '' };
}

test('counts them from the completion of their flow until they go on, for some seconds at most', async () => {
  const [first, second, third] = [await park(), await park(), await park()];
  expect(await count()).toBe(0);
  for (const { userId, flowId } of [first, second])
    await the().user(userId, (tx) => completeFlow(tx, { id: flowId }, `ca_${userId}`));
  await the().user(third.userId, (tx) => endFlow(tx, third.flowId, 'cancelled', 'x'));
  expect(await count()).toBe(2);
  const { userId, runId } = first;
  expect(
    await forUserInTurn(the().db, userId, 'admit', resumeRunAtOnce({ runId, userId, userRuns: 50 })),
  ).not.toBeNull();
  expect(await count()).toBe(1);
  await the().raw(`update connection_flows set ended_at = now() - interval '4 seconds' where id = $1`, [
    second.flowId,
  ]);
  expect(await count()).toBe(0);
});
