/**
 * The two ends of a run: `beginRun` checks the connections that its tools need, `resumeRun` lets go on who waited for them, `endRun`
 * closes what did not complete.
 */
import { Context } from '@temporalio/activity';
import { beginRunAtOnce } from '../db/begin-run.ts';
import { type NewRunEvent, appendEvents } from '../db/events.ts';
import type { OpenedFlow } from '../db/flows.ts';
import { loadRunForGate } from '../db/load-run-for-gate.ts';
import { addNotice } from '../db/notices.ts';
import { resumeRunAtOnce } from '../db/resume-run.ts';
import { type Run, finishRun, getRun, lockRun, markRunStarted, setRunStatus } from '../db/runs.ts';
import { admitRun, leaveLine } from '../db/run-queue.ts';
import { type UserTx, forUser, forUserInTurn, forUserOnce } from '../db/scope.ts';
import { addWaiter, listWaiting, settleWaiters } from '../db/waiters.ts';
import { gateMessage } from '../domain/gate.ts';
import type { RunErrorCode, RunStatus } from '../domain/statuses.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import type { Tool } from '../domain/tool.ts';
import type { ConnectionCheck, WaitingApp } from '../workflows/messages.ts';
import { toolsTaskQueue } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { endRunOnce } from './end-run.ts';
import { goneFailure } from './failures.ts';
import {
  type AppName,
  type MissingApp,
  missingOf,
  openFlowsFor,
  recordSeen,
  type SeenAccounts,
  seeAccounts,
} from './gate.ts';
import { channelsOf, noticeOfEnd } from './run-notices.ts';
import { inTask, running } from './running.ts';
import { startDeliveries, startOpenedFlow } from './start-workflows.ts';

type RunKey = { readonly runId: string; readonly userId: string };
/** What one check changed, and what must be started once it is committed. */
type Gate = ConnectionCheck & {
  readonly isQueued: boolean;
  readonly flows: readonly OpenedFlow[];
  readonly noticeIds: readonly string[];
};
export type BeginResult = ConnectionCheck & {
  /** Its connections work, and its user has as many runs at work as may be: it waits for its turn. */
  readonly isQueued: boolean;
  readonly connectTimeoutMs: number;
  readonly limits: Run['limits'];
  /** Where the run's tool calls go; without it: where the run itself is. */
  readonly toolsTaskQueue?: string;
  /** When it is woken, the rows are asked first whether it may go on. Runs that parked before there was `resumeRun` do not know it. */
  readonly resumesByRows?: true;
};

export function createRunActivities(deps: ActivityDeps) {
  return {
    /** Safe to call again: after a wake-up the workflow calls it to see whether the run may go on. */
    async beginRun(key: RunKey): Promise<BeginResult> {
      return running(async () => {
        const loaded = await forUserOnce(deps.db, key.userId, loadRunForGate(key.runId));
        if (!loaded) throw goneFailure('run');
        const { run, knowledge } = loaded;
        const view = {
          ...toolsQueueOf(deps),
          connectTimeoutMs: run.connectTimeoutMs,
          limits: run.limits,
          isQueued: false,
        };
        if (isEndedRunStatus(run.status)) return { status: run.status, waitingFor: [], ...view };
        if (run.cancelRequestedAt !== null) {
          const { status } = await endRunOnce(deps, run, { status: 'cancelled' });
          return { status, waitingFor: [], ...view };
        }
        const signal = Context.current().cancellationSignal;
        const tools = await deps.composio.getTools(run.tools, { signal });
        const unknown = run.tools.filter((slug) => !tools.some((tool) => tool.slug === slug));
        if (unknown.length > 0) {
          const error = {
            code: 'internal' as const,
            message: `Composio has no tool ${unknown.join(', ')}.`,
          };
          const { status } = await endRunOnce(deps, run, { status: 'failed', error });
          return { status, waitingFor: [], ...view };
        }
        const apps = appsOf(tools);
        const slugs = apps.map(({ app }) => app);
        const seen = await seeAccounts(deps, run.userId, slugs, { knowledge, signal });
        const missing = missingOf(apps, seen.resolutions);
        if (missing.length === 0 && run.startedAt === null) {
          const begun = await beginAtOnce(deps, run, seen);
          if (begun) return { ...view, status: 'running', waitingFor: [], isQueued: !begun.isAdmitted };
        }
        const gate = await forUser(deps.db, run.userId, async (tx) => {
          // The flows first: a flow that completes takes its own row, and then the account's.
          const passed = await passGate(deps, tx, run, { apps, missing, askedAt: seen.askedAt });
          await recordSeen(tx, run.userId, seen);
          return passed;
        });
        for (const opened of gate.flows) await startOpenedFlow(opened);
        await startDeliveries(gate.noticeIds, run.userId, deps);
        const { status, waitingFor, isQueued } = gate;
        const resumes = status === 'waiting_for_connection' ? ({ resumesByRows: true } as const) : {};
        return { ...view, ...resumes, status, waitingFor, isQueued };
      });
    },

    /**
     * Of a run that was woken: it goes on when each app that it needs was connected a moment ago. Null where Composio must be asked:
     * that is beginRun's. Rows only, for it is called as a local activity.
     */
    async resumeRun(key: RunKey): Promise<BeginResult | null> {
      return inTask(async () => {
        const { userRuns } = deps.settings;
        const statement = resumeRunAtOnce({ ...key, userRuns });
        const resumed = await forUserInTurn(deps.db, key.userId, 'admit', statement);
        if (!resumed) return null;
        const { isAdmitted, ...view } = resumed;
        return { ...view, ...toolsQueueOf(deps), status: 'running', waitingFor: [], isQueued: !isAdmitted };
      });
    },

    /** Ends a run that did not complete. The first end wins. @returns the status that the run has. */
    async endRun(
      key: RunKey & {
        end: { status: 'failed'; code: RunErrorCode; message: string } | { status: 'cancelled' };
      },
    ): Promise<{ status: RunStatus }> {
      return running(async () => {
        const run = await forUser(deps.db, key.userId, (tx) => getRun(tx, key.runId));
        if (!run) throw goneFailure('run');
        const { end } = key;
        const { status } = await endRunOnce(
          deps,
          run,
          end.status === 'cancelled'
            ? end
            : { status: 'failed', error: { code: end.code, message: end.message } },
        );
        return { status };
      });
    },
  };
}

/** Read by whoever serves the run's queue: the workflow itself may not know a setting that can change under it. */
function toolsQueueOf({ settings }: ActivityDeps): Pick<BeginResult, 'toolsTaskQueue'> {
  const { taskQueue } = Context.current().info;
  return settings.separateTools === true ? { toolsTaskQueue: toolsTaskQueue(taskQueue) } : {};
}

async function beginAtOnce(
  deps: ActivityDeps,
  run: Run,
  { askedAt, apps, accounts }: SeenAccounts,
): Promise<{ isAdmitted: boolean } | null> {
  const { userRuns } = deps.settings;
  const begin = { runId: run.id, userId: run.userId, askedAt, apps, accounts, userRuns };
  return forUserInTurn(deps.db, run.userId, 'admit', beginRunAtOnce(begin));
}

/** The apps that these tools need an account of, by slug. */
function appsOf(tools: readonly Tool[]): AppName[] {
  const names = new Map(tools.filter((tool) => !tool.noAuth).map((tool) => [tool.app, tool.appName]));
  return [...names].map(([app, appName]) => ({ app, appName })).sort((a, b) => a.app.localeCompare(b.app));
}

async function passGate(
  deps: ActivityDeps,
  tx: UserTx,
  run: Run,
  { apps, missing, askedAt }: { apps: readonly AppName[]; missing: readonly MissingApp[]; askedAt: number },
): Promise<Gate> {
  const locked = await lockRun(tx, run.id);
  if (!locked || isEndedRunStatus(locked.status)) {
    return { status: locked?.status ?? 'failed', waitingFor: [], isQueued: false, flows: [], noticeIds: [] };
  }
  await markRunStarted(
    tx,
    run.id,
    apps.map(({ app }) => app),
  );
  const isFirst = locked.startedAt === null;
  const waitedFor = isFirst ? [] : await listWaiting(tx, run.id);
  const nowReady = waitedFor.map(({ app }) => app).filter((app) => !missing.some((item) => item.app === app));
  if (nowReady.length > 0) await settleWaiters(tx, run.id, nowReady);
  const events: NewRunEvent[] = [
    ...(isFirst ? [{ type: 'run.started' as const }] : []),
    ...nowReady.map((app) => ({ type: 'connection.completed' as const, data: { app } })),
  ];
  if (missing.length === 0) {
    await setRunStatus(tx, run.id, 'running');
    await appendEvents(tx, run, events);
    const isAdmitted = locked.admittedAt !== null || (await admitRun(tx, run, deps.settings.userRuns));
    return { status: 'running', waitingFor: [], isQueued: !isAdmitted, flows: [], noticeIds: [] };
  }
  const told = run.onMissingConnection === 'fail';
  const channels = channelsOf(deps.settings);
  const user = { userId: run.userId, timeoutMs: run.connectTimeoutMs, channels, askedAt };
  const { flows, noticeIds } = await openFlowsFor(tx, user, missing);
  const waitingFor: WaitingApp[] = [];
  for (const { app, reason } of missing) {
    const flowId = flows.get(app)?.flow.id ?? '';
    await addWaiter(tx, {
      flowId,
      runId: run.id,
      userId: run.userId,
      app,
      reason,
      state: told ? 'told' : 'waiting',
    });
    waitingFor.push({ app, reason, flowId });
    if (!waitedFor.some((waiting) => waiting.flowId === flowId)) {
      events.push({ type: 'connection.required', data: { app, reason, flowId } });
    }
  }
  if (told) {
    const error = {
      code: 'connection_required' as const,
      message: missing.map((m) => gateMessage(m.reason, m.appName)).join(' '),
    };
    await finishRun(tx, run.id, { status: 'failed', error });
    events.push({ type: 'run.failed', data: { code: error.code } });
    await appendEvents(tx, run, events);
    const endNotice = await noticeOfEnd(tx, run, 'run.failed', deps.settings);
    return {
      status: 'failed',
      waitingFor,
      isQueued: false,
      flows: [],
      noticeIds: [...noticeIds, ...endNotice],
    };
  }
  await setRunStatus(tx, run.id, 'waiting_for_connection');
  // It waits for a person now, and must not keep others in line behind it.
  await leaveLine(tx, run.id);
  await appendEvents(tx, run, events);
  const noticeId =
    channels.length === 0
      ? null
      : await addNotice(
          tx,
          {
            userId: run.userId,
            type: 'run.waiting_for_connection',
            dedupeKey: `run:${run.id}:waiting:${waitingFor.map((w) => w.flowId).join(',')}`,
            app: null,
            flowId: null,
            runId: run.id,
            data: { apps: waitingFor.map(({ app }) => app) },
          },
          channels,
        );
  return {
    status: 'waiting_for_connection',
    waitingFor,
    isQueued: false,
    flows: [...flows.values()],
    noticeIds: noticeId === null ? noticeIds : [...noticeIds, noticeId],
  };
}
