/** What an operator sees of a run in the Temporal UI: a checklist without content, and the status to filter by. */
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { RunStatus } from '../domain/statuses.ts';
import { type WaitingApp, STATUS_ATTRIBUTE, USER_ATTRIBUTE } from './messages.ts';
import type { WaitingCall } from './run-waits.ts';

export function showRun(view: {
  status: RunStatus;
  turn: number;
  waitingFor: readonly WaitingApp[];
  calls: readonly WaitingCall[];
}): void {
  const lines = [
    ...view.waitingFor.map(({ app, reason }) => `- [ ] ${app}: ${reason}`),
    ...view.calls.map((call) => `- [ ] ${call.tool}: ${call.for} of ${call.id}`),
  ];
  setCurrentDetails([`**${view.status}**, turn ${view.turn}`, ...lines].join('\n'));
  const attributes = workflowInfo().typedSearchAttributes;
  // Set at the start only where the namespace has the attributes; where it lacks them, an upsert would wedge the workflow.
  if (attributes.get(USER_ATTRIBUTE) === undefined || attributes.get(STATUS_ATTRIBUTE) === view.status)
    return;
  upsertSearchAttributes([{ key: STATUS_ATTRIBUTE, value: view.status }]);
}
