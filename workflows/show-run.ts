/** What an operator sees of a run in the Temporal UI: a checklist without content, and what to filter by. */
import { patched, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { type RunStatus, isEndedRunStatus } from '../domain/statuses.ts';
import { APPS_ATTRIBUTE, STATUS_ATTRIBUTE, UNKNOWN_TAG, USER_ATTRIBUTE } from './messages.ts';
import type { RunnableCall } from './next-step.ts';
import type { RunWaits } from './run-waits.ts';

export type RunSight = {
  readonly userId: string;
  readonly status: RunStatus;
  readonly turn: number;
  readonly waits: Pick<RunWaits, 'apps' | 'calls' | 'connected'>;
  /** Calls whose outcome nobody knows. */
  readonly unknown: readonly RunnableCall[];
};

export function showRun(sight: RunSight): void {
  setCurrentDetails(checklist(sight));
  const attributes = workflowInfo().typedSearchAttributes;
  // Set at the start only where the namespace has the attributes; where it lacks them, an upsert would wedge the workflow.
  if (attributes.get(USER_ATTRIBUTE) === undefined) return;
  const known = attributes.get(APPS_ATTRIBUTE) ?? [];
  const isTold = known.includes(UNKNOWN_TAG) === isUnsettled(sight);
  // The order matters: an upsert when the status changes is what workflows did before there was the tag.
  if (attributes.get(STATUS_ATTRIBUTE) === sight.status && (isTold || !patched('tag-of-unknown-outcomes')))
    return;
  const apps = known.filter((name) => name !== UNKNOWN_TAG);
  upsertSearchAttributes([
    { key: STATUS_ATTRIBUTE, value: sight.status },
    ...(isTold ? [] : [{ key: APPS_ATTRIBUTE, value: isUnsettled(sight) ? [...apps, UNKNOWN_TAG] : apps }]),
  ]);
}

/** A run that was ended while it waited waits no longer. */
const awaitedApps = ({ status, waits }: RunSight) => (isEndedRunStatus(status) ? [] : waits.apps());
const awaitedCalls = ({ status, waits }: RunSight) => (isEndedRunStatus(status) ? [] : waits.calls());

function isUnsettled(sight: RunSight): boolean {
  return sight.unknown.length > 0 || awaitedCalls(sight).some((call) => call.for === 'resolution');
}

function checklist(sight: RunSight): string {
  const { userId, status, turn, waits, unknown } = sight;
  const since = (ms: number): string => `since ${new Date(ms).toISOString().slice(0, 19)}Z`;
  const items = [
    ...waits.connected().map((app) => `- [x] ${app}: connected`),
    ...awaitedApps(sight).map(
      (app) => `- [ ] ${app.app}: ${app.reason}, waits for ${userId} ${since(app.since)}`,
    ),
    ...awaitedCalls(sight).map(
      (call) => `- [ ] ${call.tool}: ${call.for} of ${call.id}, waits for an operator ${since(call.since)}`,
    ),
    ...unknown.map((call) => `- [ ] ${call.tool}: outcome of ${call.id} unknown`),
  ];
  const head = `**${status}**, turn ${turn}`;
  // The UI makes a list only of what an empty line parts from the text before it.
  return items.length === 0 ? head : [head, '', ...items].join('\n');
}
