/** The other side of the ratio: the same steps as a run of 5 tool calls, with nothing around them. */
import { proxyActivities } from '@temporalio/workflow';
import type { BareActivities } from './activities.ts';

const { begin, model, tool } = proxyActivities<BareActivities>({ startToCloseTimeout: '1 minute' });

export async function bareRun(input: { runId: string; userId: string; calls: number }): Promise<void> {
  const key = { runId: input.runId, userId: input.userId };
  await begin(key);
  for (let turn = 1; turn <= input.calls; turn += 1) {
    await model({ ...key, turn });
    await tool({ ...key, turn });
  }
  await model({ ...key, turn: input.calls + 1 });
}
