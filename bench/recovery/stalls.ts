/** Reads from a run's history how long it stood still after a kill. Pure but for the fetch; the server's clock is the machine's. */
import type { Client } from '@temporalio/client';
import { runWorkflowId } from '../../workflows/messages.ts';

export const KINDS = ['model call', 'read', 'gate', 'workflow task'] as const;
/** What the dead worker had of the run: an activity on its way, or only the workflow in its cache. */
export type Kind = (typeof KINDS)[number];
export type Stall = { readonly kind: Kind; readonly ms: number };
export type Kill = { readonly at: number; readonly identity: string };

type Fetched = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type HistoryEvent = NonNullable<Fetched['events']>[number];
export type RunHistory = { readonly runId: string; readonly events: readonly HistoryEvent[] };

const ACTIVITY_KINDS: Readonly<Record<string, Kind>> = {
  callModel: 'model call',
  executeTool: 'read',
  beginRun: 'gate',
};

export async function fetchHistory(client: Client, runId: string): Promise<RunHistory> {
  const { events } = await client.workflow.getHandle(runWorkflowId(runId)).fetchHistory();
  return { runId, events: events ?? [] };
}

/** From the kill to the run's next activity start; null when the run was not the dead worker's, or had no further activity. */
export function stallOf({ events }: RunHistory, { at, identity }: Kill): Stall | null {
  const began = timeOf(events[0]);
  if (began > at) return null;
  let cachedBy: string | null = null;
  for (const event of events) {
    if (timeOf(event) > at) break;
    cachedBy = event.workflowTaskCompletedEventAttributes?.identity ?? cachedBy;
  }
  for (const event of events) {
    const started = event.activityTaskStartedEventAttributes;
    if (!started || timeOf(event) <= at) continue;
    const scheduled = events.find(({ eventId }) => String(eventId) === String(started.scheduledEventId));
    const ms = timeOf(event) - at;
    const wasOnItsWay = timeOf(scheduled) <= at && (started.attempt ?? 1) > 1;
    if (wasOnItsWay) {
      const type = scheduled?.activityTaskScheduledEventAttributes?.activityType?.name ?? '';
      return { kind: ACTIVITY_KINDS[type] ?? 'gate', ms };
    }
    return cachedBy === identity ? { kind: 'workflow task', ms } : null;
  }
  return null;
}

/** Whether any activity was begun a second time. */
export function hasRepeatedActivity({ events }: RunHistory): boolean {
  return events.some((event) => (event.activityTaskStartedEventAttributes?.attempt ?? 1) > 1);
}

function timeOf(event: HistoryEvent | undefined): number {
  const { seconds, nanos } = event?.eventTime ?? {};
  return Number(seconds ?? 0) * 1_000 + (nanos ?? 0) / 1e6;
}
