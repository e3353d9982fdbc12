/**
 * One connection flow: verifies by reading back, and wakes every run of that user that waits for the app. Composio has no
 * "connected" event, so after a click it polls for as long as a link can be alive; otherwise it only waits.
 */
import {
  condition,
  continueAsNew,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { FlowActivities } from '../activities/index.ts';
import type { FlowStatus } from '../domain/statuses.ts';
import {
  type ConnectAccountInput,
  type ConnectAccountResult,
  attemptOpenedSignal,
  connectionCompletedSignal,
} from './messages.ts';
import { GATE_POLICY, ROW_POLICY } from './policies.ts';

const flows = proxyActivities<Pick<FlowActivities, 'checkFlow'>>(GATE_POLICY);
const rows = proxyLocalActivities<Pick<FlowActivities, 'closeEndedFlow'>>(ROW_POLICY);

/** The first polls come at the configured interval, later ones up to this much slower: 500 flows at 15 s would eat the request limit. */
const SLOWEST_POLL = 4;
const BACKOFF = 1.3;
const UNTIL_A_CLICK = 'until somebody clicks, or the flow expires';

export async function connectAccount(input: ConnectAccountInput): Promise<ConnectAccountResult> {
  let hints = 0;
  let clicks = 0;
  setHandler(connectionCompletedSignal, () => void (hints += 1));
  setHandler(attemptOpenedSignal, () => void (clicks += 1));
  const since = workflowInfo().startTime.toISOString().slice(0, 19);
  setCurrentDetails(`- [ ] ${input.app}: waits for ${input.userId} since ${since}Z`);

  const end = (status: FlowStatus): ConnectAccountResult => {
    setCurrentDetails(`- [${status === 'completed' ? 'x' : ' '}] ${input.app}: ${status}`);
    return { status };
  };
  const hinted = (seen: { hints: number; clicks: number }, timeoutMs: number, summary: string) =>
    condition(() => hints !== seen.hints || clicks !== seen.clicks, Math.max(1, timeoutMs), { summary });

  if (input.quietUntil !== undefined) {
    await hinted({ hints: 0, clicks: 0 }, input.quietUntil - Date.now(), UNTIL_A_CLICK);
  }
  // A patch is an event and an upsert; what a flow is started with tells the same.
  const looksIntoRow = (): boolean => input.quietUntil !== undefined || patched('ended-flow-in-place');
  let rowSeen = 0;
  let slowness = 1;
  for (;;) {
    // Many clicks in a week are many polls; what was heard so far is looked at first thing by the next one.
    if (workflowInfo().continueAsNewSuggested)
      await continueAsNew<typeof connectAccount>({
        flowId: input.flowId,
        userId: input.userId,
        app: input.app,
      });
    const seen = { hints, clicks };
    // Who says that somebody connected has usually written it into the row: to see that takes no request and no task of its own.
    if (hints > rowSeen && looksIntoRow()) {
      rowSeen = hints;
      const ended = await rows.closeEndedFlow(input);
      if (ended) return end(ended.status);
    }
    const check = await flows.checkFlow.executeWithOptions({ summary: `look for ${input.app}` }, [input]);
    if (check.status !== 'open') return end(check.status);
    const isPolling = check.pollIntervalMs !== null;
    const waitMs = check.pollIntervalMs === null ? check.expiresInMs : check.pollIntervalMs * slowness;
    const isHinted = await hinted(
      seen,
      Math.min(waitMs, check.expiresInMs),
      isPolling ? 'until the next poll' : UNTIL_A_CLICK,
    );
    slowness = isHinted || !isPolling ? 1 : Math.min(SLOWEST_POLL, slowness * BACKOFF);
  }
}
