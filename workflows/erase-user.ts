/**
 * Erasure of one user. The tombstone stands before this starts (db/erasures.ts), so nothing new begins meanwhile. It knows
 * the erasure's id only: who it is about stands in that user's row, and goes with it.
 */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { EraseActivities } from '../activities/index.ts';
import type { EraseUserInput } from './messages.ts';
import { ERASE_POLICY } from './policies.ts';

const erase = proxyActivities<EraseActivities>(ERASE_POLICY);

export async function eraseUser(input: EraseUserInput): Promise<void> {
  // What was sent is let finish; a run that does not end in the tool deadline is terminated.
  await erase.endUsersWork.executeWithOptions(step('1/5 ends runs and flows'), [input]);
  await erase.terminateWorkflows.executeWithOptions(step('2/5 terminates what is left'), [input]);
  await erase.deleteConnections.executeWithOptions(step('3/5 deletes connections'), [input]);
  await erase.deleteExecutions.executeWithOptions(step('4/5 deletes workflow executions'), [input]);
  await erase.deleteRows.executeWithOptions(step('5/5 deletes rows'), [input]);
  setCurrentDetails('done');
}

function step(summary: string): { readonly summary: string } {
  setCurrentDetails(summary);
  return { summary };
}
