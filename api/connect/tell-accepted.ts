/**
 * What is told when a consent was accepted. Usually one word to the flow's workflow, which wakes the runs that wait for it. While a crowd
 * of callbacks waits, the runs are told by themselves and the flow afterwards (later.ts): for the runs somebody waits, for a flow's end
 * nobody does, and it costs as much. The rows say all of it already: the sweep wakes runs that were not told, and a flow that was
 * clicked looks for itself.
 */
import type { Logger } from 'pino';
import type { Flow } from '../../db/flows.ts';
import type { ApiDeps } from '../deps.ts';
import { signalFlowCompleted } from '../flow-workflow.ts';
import { hintConnected } from '../hint-run.ts';

/** More of one user's are woken by the flow's workflow: others wait for their turn meanwhile. */
const MOST_WAKES = 32;

export async function tellAccepted(
  deps: Pick<ApiDeps, 'temporal' | 'taskQueue' | 'callbackDesk'>,
  { flow, runIds }: { readonly flow: Flow; readonly runIds: readonly string[] },
  log: Logger,
): Promise<void> {
  const { turnstile, later } = deps.callbackDesk;
  const tellFlow = () => signalFlowCompleted(deps, flow);
  const onError = (err: unknown) =>
    log.warn({ err, flowId: flow.id }, 'a completed flow could not be told to its workflow');
  if (turnstile.waiting === 0 || runIds.length > MOST_WAKES) {
    await tellFlow().catch((error: unknown) => {
      onError(error);
      later.add({ work: tellFlow, onError });
    });
    return;
  }
  await Promise.all(runIds.map((runId) => hintConnected(deps, { runId, app: flow.app }, log)));
  later.add({ work: tellFlow, onError });
}
