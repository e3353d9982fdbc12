/**
 * The sweep: starts what was accepted and never started, closes what Temporal no longer knows, repeats wakes and deliveries
 * that got lost, ends what is past its time. Each part is bounded and independent: one that fails does not stop the others.
 */
import { Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { listUnheardDecisions } from '../db/approvals.ts';
import { supersedeAttempts } from '../db/attempts.ts';
import { finishAudit, getRunningAudit } from '../db/audits.ts';
import { listUsersInLine } from '../db/run-queue.ts';
import { listUnheardResolutions } from '../db/resolutions.ts';
import { type Flow, endFlow, listOverdueFlows, pageOpenFlows } from '../db/flows.ts';
import { listStaleDeliveries, touchDeliveries } from '../db/notices.ts';
import { listQuietRuns, listUnheardCancels, listUnstartedRuns, touchRun } from '../db/runs.ts';
import { asSystem } from '../db/scope.ts';
import { listMissedWakes } from '../db/waiters.ts';
import { toEntityId } from '../domain/user-id.ts';
import { labelRun } from '../domain/workflow-labels.ts';
import {
  AGENT_RUN,
  type AgentRunInput,
  WORKFLOW_TASK_TIMEOUT,
  runWorkflowId,
  mainTaskQueue,
} from '../workflows/messages.ts';
import { callNext } from './call-next.ts';
import { cleanAccounts } from './clean-accounts.ts';
import type { ActivityDeps } from './deps.ts';
import { cutToUrl } from '../domain/cut-to-url.ts';
import { endRunOnce } from './end-run.ts';
import { pagesOf } from './audit-suspects.ts';
import { running } from './running.ts';
import { startDelivery, startFlowWorkflow } from './start-workflows.ts';
import { sweepErasures } from './sweep-erasures.ts';
import { sweepWebhookEvents } from './sweep-webhook-events.ts';
import { tellCallDecided, wakeRun } from './tell-run.ts';

/** Rows per part and pass: a pass stays within seconds, and the next one comes in a minute. */
const BATCH = 200;
/** An acceptance takes at most about 10 s. */
const UNSTARTED_AFTER_MS = 20_000;
/** A workflow that heard of its cancellation ends within seconds, or with the tool call that it lets finish. */
const UNHEARD_CANCEL_MS = 20_000;
/** The API tells it at once; a busy worker comes to it within seconds. */
const UNHEARD_DECISION_MS = 15_000;
/** A run that works or waits changes its row rarely; asking Temporal about it every ten minutes is cheap. */
const QUIET_FOR_MS = 10 * 60_000;
/** Longer than the wait between the first two attempts, so that only deliveries without a workflow are found early on. */
const STALE_DELIVERY_MS = 10 * 60_000;
/** The first attempt takes at most 20 s. Whoever was killed before it started the workflow should not cost a user ten minutes. */
const UNTRIED_DELIVERY_MS = 30_000;
/** Accounts of open flows are looked up together once an hour: for those who consented when nobody polled. */
const HOUR_MS = 3_600_000;
const FLOWS_PER_PAGE = 50;

export type SweepResult = Readonly<
  Record<
    | 'started'
    | 'cancelled'
    | 'lost'
    | 'woken'
    | 'expired'
    | 'cleaned'
    | 'delivered'
    | 'events'
    | 'erasures'
    | 'hinted'
    | 'failedParts',
    number
  >
>;

export function createSweepActivities(deps: ActivityDeps) {
  return {
    async sweepAll(): Promise<SweepResult> {
      return running(async ({ cancellationSignal: signal, log }) => {
        let failedParts = 0;
        const part = async (name: string, work: () => Promise<number>): Promise<number> => {
          signal.throwIfAborted();
          try {
            return await work();
          } catch (error) {
            failedParts += 1;
            log.warn('a part of the sweep failed', {
              part: name,
              error: error instanceof Error ? error.name : 'Error',
            });
            return 0;
          }
        };
        return {
          // Before the starts: what nobody wants any more need not begin.
          cancelled: await part('cancel', () => repeatCancels(deps)),
          started: await part('start', () => startUnstarted(deps)),
          lost:
            (await part('lost runs', () => closeLost(deps))) +
            (await part('lost audit', () => closeLostAudit(deps))),
          woken:
            (await part('wake', () => repeatWakes(deps))) + (await part('queue', () => callQueued(deps))),
          expired: await part('expire', () => expireFlows(deps)),
          cleaned: await part('clean', () => cleanAccounts(deps)),
          delivered: await part('deliver', () => restartDeliveries(deps)),
          events: await part('webhook events', () => sweepWebhookEvents(deps)),
          erasures: await part('erasures', () => sweepErasures(deps)),
          hinted: await part('hourly', () => hourlyPass(deps, signal)),
          failedParts,
        };
      });
    },
  };
}

async function startUnstarted(deps: ActivityDeps): Promise<number> {
  const { client, info } = Context.current();
  const runs = await asSystem(deps.db, (tx) =>
    listUnstartedRuns(tx, { olderThanMs: UNSTARTED_AFTER_MS, limit: BATCH }),
  );
  let started = 0;
  for (const { id, userId } of runs) {
    const input: AgentRunInput = { runId: id, userId };
    try {
      await client.workflow.start(AGENT_RUN, {
        workflowId: runWorkflowId(id),
        taskQueue: mainTaskQueue(info.taskQueue),
        args: [input],
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        ...labelRun({ id, userId }),
      });
      started += 1;
    } catch (error) {
      // It runs, only no worker has come to it yet; or it ended before it began, which closeLost sees to.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      if (!(await isRunning(runWorkflowId(id)))) await loseRun(deps, { id, userId });
    }
  }
  return started;
}

async function closeLost(deps: ActivityDeps): Promise<number> {
  let lost = 0;
  let after: string | null = null;
  for (;;) {
    const page: readonly { id: string; userId: string }[] = await asSystem(deps.db, (tx) =>
      listQuietRuns(tx, { quietForMs: QUIET_FOR_MS, after, limit: BATCH }),
    );
    for (const run of page) {
      if (await isRunning(runWorkflowId(run.id))) {
        await asSystem(deps.db, (tx) => touchRun(tx, run.id));
      } else if (await loseRun(deps, run)) {
        lost += 1;
      }
    }
    after = page.at(-1)?.id ?? null;
    if (page.length < BATCH) return lost;
  }
}

async function loseRun(deps: ActivityDeps, run: { id: string; userId: string }): Promise<boolean> {
  const error = { code: 'workflow_lost' as const, message: 'The run’s workflow ended without a result.' };
  return (await endRunOnce(deps, run, { status: 'failed', error })).isNew;
}

/** A cancellation is a row first; its word to the workflow may have been lost. A run that was never started ends right here. */
async function repeatCancels(deps: ActivityDeps): Promise<number> {
  const runs = await asSystem(deps.db, (tx) =>
    listUnheardCancels(tx, { olderThanMs: UNHEARD_CANCEL_MS, limit: BATCH }),
  );
  for (const run of runs) {
    const workflowId = runWorkflowId(run.id);
    if (await isRunning(workflowId)) await Context.current().client.workflow.getHandle(workflowId).cancel();
    else await endRunOnce(deps, run, { status: 'cancelled' });
  }
  return runs.length;
}

async function closeLostAudit(deps: ActivityDeps): Promise<number> {
  const olderThanMs = UNSTARTED_AFTER_MS;
  const audit = await asSystem(deps.db, (tx) => getRunningAudit(tx, { olderThanMs }));
  if (!audit) return 0;
  if (await isRunning(audit.workflowId)) return 0;
  await asSystem(deps.db, (tx) =>
    finishAudit(tx, audit.id, 'failed', 'the audit’s workflow ended without a word'),
  );
  return 1;
}

async function repeatWakes(deps: ActivityDeps): Promise<number> {
  const missed = await asSystem(deps.db, (tx) => listMissedWakes(tx, BATCH));
  for (const { runId, app } of missed) await wakeRun(runId, app);
  const page = { olderThanMs: UNHEARD_DECISION_MS, limit: BATCH };
  const decided = await asSystem(deps.db, async (tx) => [
    ...(await listUnheardDecisions(tx, page)),
    ...(await listUnheardResolutions(tx, page)),
  ]);
  for (const { runId, callId } of decided) await tellCallDecided(runId, callId);
  return missed.length + decided.length;
}

/** Runs in line whose turn has come and who were not told, or whose predecessor ended without a word. */
async function callQueued(deps: ActivityDeps): Promise<number> {
  const userIds = await asSystem(deps.db, (tx) => listUsersInLine(tx, BATCH));
  let called = 0;
  for (const userId of userIds) called += await callNext(deps, userId);
  return called;
}

async function expireFlows(deps: ActivityDeps): Promise<number> {
  const flows = await asSystem(deps.db, (tx) => listOverdueFlows(tx, BATCH));
  for (const flow of flows)
    await asSystem(deps.db, async (tx) => {
      if (await endFlow(tx, flow.id, 'expired', 'nobody_connected'))
        await supersedeAttempts(tx, flow.id, null);
    });
  return flows.length;
}

async function restartDeliveries(deps: ActivityDeps): Promise<number> {
  const stale = await asSystem(deps.db, (tx) =>
    listStaleDeliveries(tx, {
      olderThanMs: STALE_DELIVERY_MS,
      untriedMs: UNTRIED_DELIVERY_MS,
      limit: BATCH,
    }),
  );
  let started = 0;
  for (const delivery of stale) if (await startDelivery(delivery)) started += 1;
  // What waits for its receiver, or in line, is no less pending: without this the same ones would be looked at for ever.
  if (stale.length > 0)
    await asSystem(deps.db, (tx) =>
      touchDeliveries(
        tx,
        stale.map(({ noticeId }) => noticeId),
      ),
    );
  return started;
}

/** Open flows whose app works by now, wherever it was connected: their workflows are told to look. */
async function hourlyPass(deps: ActivityDeps, signal: AbortSignal): Promise<number> {
  const { info } = Context.current();
  // The sweep comes once a minute; this part takes the first pass of each hour.
  if (info.currentAttemptScheduledTimestampMs % HOUR_MS > 60_000) return 0;
  let hinted = 0;
  let after: string | null = null;
  for (;;) {
    const flows: readonly Flow[] = await asSystem(deps.db, (tx) =>
      pageOpenFlows(tx, { after, limit: FLOWS_PER_PAGE }),
    );
    if (flows.length === 0) return hinted;
    after = flows.at(-1)?.id ?? null;
    const working = await findWorking(deps, [...new Set(flows.map((flow) => flow.userId))], signal);
    for (const flow of flows.filter((flow) => !flow.reconnect && working.has(`${flow.userId} ${flow.app}`))) {
      await startFlowWorkflow(flow);
      hinted += 1;
    }
  }
}

/** `<user> <app>` of each ACTIVE account of these users. */
async function findWorking(
  deps: ActivityDeps,
  userIds: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const working = new Set<string>();
  for (let rest = userIds; rest.length > 0;) {
    const entityIds = cutToUrl(rest.map(toEntityId));
    rest = rest.slice(entityIds.length);
    const query = { entityIds, statuses: ['ACTIVE' as const] };
    for await (const page of pagesOf(deps.composio, query, { signal, onRequest: () => {} }))
      for (const account of page) working.add(`${account.entityId} ${account.app}`);
  }
  return working;
}

async function isRunning(workflowId: string): Promise<boolean> {
  try {
    const { status } = await Context.current().client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
