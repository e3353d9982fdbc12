/**
 * One run: gate, then model and tools in turn until the model answers. This file drives; next-step.ts decides; activities
 * do. Only ids, names, statuses and counts come here. No mutable state at module level: it leaks between workflows.
 */
import {
  CancellationScope,
  ActivityFailure,
  ContinueAsNew,
  allHandlersFinished,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunActivities, ModelActivities, ToolActivities } from '../activities/index.ts';
import type { RunErrorCode, RunStatus } from '../domain/statuses.ts';
import { isEndedRunStatus } from '../domain/statuses.ts';
import { atMost } from './at-most.ts';
import {
  type AgentRunInput,
  type AgentRunProgress,
  type AgentRunResult,
  type ConnectionCheck,
  type WaitingApp,
  callDecidedSignal,
  connectionCheckUpdate,
  connectionCompletedSignal,
  progressQuery,
  runAdmittedSignal,
} from './messages.ts';
import { type Happened, type RunnableCall, nextStep } from './next-step.ts';
import { GATE_POLICY, MODEL_POLICY, RECORD_POLICY, ROW_POLICY, TOOL_POLICY } from './policies.ts';
import { type Seen, createRunWaits } from './run-waits.ts';
import { showRun } from './show-run.ts';

const gate = proxyActivities<Pick<RunActivities, 'beginRun'>>(GATE_POLICY);
const rows = proxyLocalActivities<Pick<RunActivities, 'resumeRun'>>(ROW_POLICY);
const record = proxyActivities<Pick<RunActivities, 'endRun'>>(RECORD_POLICY);
const model = proxyActivities<ModelActivities>(MODEL_POLICY);
const tools = proxyActivities<ToolActivities>(TOOL_POLICY);

/** Of one turn's calls. More would let one run take a worker's slots and the request budget. */
const PARALLEL_CALLS = 8;
const START: AgentRunProgress = { turn: 0, toolCalls: 0, tokens: 0, activeMs: 0 };

type Begun = Awaited<ReturnType<RunActivities['beginRun']>>;

type ToolOutcome = Awaited<ReturnType<ToolActivities['executeTool']>>;
type SettledCall = Exclude<
  ToolOutcome,
  { status: 'needs_connection' | 'needs_approval' | 'needs_resolution' }
>;

class ConnectionTimeout extends Error {}

export async function agentRun(input: AgentRunInput): Promise<AgentRunResult> {
  const key = { runId: input.runId, userId: input.userId };
  let checked: ConnectionCheck | null = null;
  let progress = input.resume ?? START;
  let shown: RunStatus | null = null;
  /** Calls whose outcome nobody knows, as far as this workflow has heard. */
  const unknown = new Map<string, RunnableCall>();
  const show = (status: RunStatus): void => {
    shown = status;
    showRun({ userId: input.userId, status, turn: progress.turn, waits, unknown: [...unknown.values()] });
  };
  const waits = createRunWaits(() => {
    if (waits.status() !== shown || waits.status() !== 'running') show(waits.status());
  });

  // Anybody with access to Temporal may send these, with anything in them: what names no app is a hint for all that is waited for.
  setHandler(connectionCompletedSignal, (hint: unknown) => {
    const app = (hint as { app?: unknown } | null | undefined)?.app;
    if (typeof app === 'string') waits.hintConnection(app.toLowerCase());
    // Also for what is only about to be waited for. Runs of before knew no such word.
    else waits.hintConnections(patched('hint-for-all'));
  });
  setHandler(callDecidedSignal, (hint: unknown) => {
    const callId = (hint as { callId?: unknown } | null | undefined)?.callId;
    if (typeof callId !== 'string') return;
    waits.hintCall(callId);
    // For the eye only: what is known of the call is in its row.
    if (unknown.delete(callId)) show(shown ?? 'running');
  });
  setHandler(runAdmittedSignal, () => waits.hintPlace());
  setHandler(connectionCheckUpdate, async () => {
    await condition(() => checked !== null);
    return checked as unknown as ConnectionCheck;
  });
  setHandler(progressQuery, () => ({ ...progress, status: shown ?? 'running', waitingFor: waits.apps() }));

  /** @throws ConnectionTimeout */
  const awaitConnection = async (
    apps: readonly WaitingApp[],
    seen: Seen,
    { since, timeoutMs }: { since: number; timeoutMs: number },
  ): Promise<void> => {
    const awaited = apps.map(({ app, reason, flowId }) => ({ app, reason, flowId, since }));
    if (!(await waits.awaitConnection(awaited, seen, since + timeoutMs - Date.now())))
      throw new ConnectionTimeout(apps.map(({ app }) => app).join(', '));
  };

  /** What has just connected an app has read it back and written it down: to see that takes no request and no task of its own. */
  const lookAgain = async (before: Begun | null): Promise<Begun> => {
    const resumed = before?.resumesByRows ? await rows.resumeRun(key) : null;
    if (resumed) return resumed;
    const summary = before === null ? 'connection check' : 'connection check, again';
    return await gate.beginRun.executeWithOptions({ summary }, [key]);
  };

  const passGate = async (): Promise<Begun> => {
    let waitedSince: number | null = null;
    let begun: Begun | null = null;
    for (;;) {
      const seen = waits.seen();
      begun = await lookAgain(begun);
      checked ??= { status: begun.status, waitingFor: begun.waitingFor };
      if (begun.isQueued) {
        await waits.awaitPlace(seen);
        continue;
      }
      if (begun.status !== 'waiting_for_connection') return begun;
      waitedSince ??= Date.now();
      await awaitConnection(begun.waitingFor, seen, {
        since: waitedSince,
        timeoutMs: begun.connectTimeoutMs,
      });
    }
  };

  const callTool = (call: RunnableCall, { toolsTaskQueue: taskQueue }: Begun): Promise<ToolOutcome> => {
    const summary = `turn ${progress.turn}: ${call.tool}`;
    const options = taskQueue === undefined ? { summary } : { summary, taskQueue };
    return tools.executeTool.executeWithOptions(options, [{ ...key, callId: call.id }]);
  };

  /** From its first outcome on, to its last: waits for whom the call needs, and calls again. */
  const settleCall = async (
    call: RunnableCall,
    begun: Begun,
    first: { seen: Seen; outcome: ToolOutcome },
  ): Promise<SettledCall> => {
    let { seen, outcome } = first;
    let waitedSince: number | null = null;
    for (;;) {
      switch (outcome.status) {
        case 'needs_connection':
          // From the first look on: a wake-up that did not help must not start the wait anew.
          waitedSince ??= Date.now();
          await awaitConnection([outcome], seen, { since: waitedSince, timeoutMs: begun.connectTimeoutMs });
          break;
        case 'needs_approval':
          // Its connection works, so a later break is a new one, with a wait of its own.
          waitedSince = null;
          await waits.awaitDecision(
            { ...call, for: 'approval', since: Date.now() },
            seen,
            outcome.expiresInMs,
          );
          break;
        case 'needs_resolution':
          await waits.awaitDecision({ ...call, for: 'resolution', since: Date.now() }, seen, null);
          break;
        case 'unknown':
          unknown.set(call.id, call);
          show(waits.status());
          return outcome;
        case 'done':
        case 'failed':
        case 'denied':
        case 'ended':
          return outcome;
      }
      seen = waits.seen();
      outcome = await callTool(call, begun);
    }
  };

  const executeCall = async (call: RunnableCall, begun: Begun): Promise<SettledCall> => {
    const seen = waits.seen();
    return await settleCall(call, begun, { seen, outcome: await callTool(call, begun) });
  };

  /** Not ended by a cancellation: the row must have its end. The first end wins, so the row's status is the result. */
  const close = async (end: Parameters<RunActivities['endRun']>[0]['end']): Promise<AgentRunResult> => {
    const ended = await CancellationScope.nonCancellable(() =>
      record.endRun.executeWithOptions(
        { summary: `end: ${end.status === 'failed' ? end.code : end.status}` },
        [{ ...key, end }],
      ),
    );
    checked ??= { status: ended.status, waitingFor: [] };
    const { status } = ended;
    return status === 'failed' && end.status === 'failed' ? { status, error: end.code } : { status };
  };

  const fail = (code: RunErrorCode, message: string): Promise<AgentRunResult> =>
    close({ status: 'failed', code, message });

  const drive = async (): Promise<AgentRunResult> => {
    const begun = await passGate();
    let next = nextStep(progress, begun.limits, { after: 'gate', status: begun.status });
    for (;;) {
      progress = next.progress;
      const { step } = next;
      if (step.do === 'return') return { status: step.status };
      if (step.do === 'fail') return await fail(step.code, step.message);
      if (step.do === 'call_model' && workflowInfo().continueAsNewSuggested) {
        await condition(allHandlersFinished);
        await continueAsNew<typeof agentRun>({ ...key, resume: progress });
      }
      if (step.do === 'call_model') {
        const options = { summary: `turn ${step.turn}: model` };
        const turn = await model.callModel.executeWithOptions(options, [{ ...key, turn: step.turn }]);
        next = nextStep(progress, begun.limits, { after: 'model', ...turn });
      } else if (step.do === 'execute_tools' && step.instead && patched('deadline-before-tools')) {
        return await fail(step.instead.code, step.instead.message);
      } else if (step.do === 'execute_tools') {
        const [only] = step.calls;
        let outcomes: SettledCall[];
        if (only && step.calls.length === 1) {
          // The usual turn has one call that needs nobody. Each promise costs its stack trace in here, so it makes the fewest.
          const seen = waits.seen();
          const outcome = await callTool(only, begun);
          outcomes = [isPlain(outcome) ? outcome : await settleCall(only, begun, { seen, outcome })];
        } else {
          outcomes = await atMost(PARALLEL_CALLS, step.calls, (call) => executeCall(call, begun));
        }
        next = nextStep(progress, begun.limits, toHappened(outcomes));
      } else {
        return await fail('internal', 'The run came to a step that it cannot take.');
      }
    }
  };

  const end = async (): Promise<AgentRunResult> => {
    try {
      return await CancellationScope.cancellable(drive);
    } catch (error) {
      // A call whose worker was lost after the cancellation is not tried again: it comes back as a time-out, not as cancelled.
      const isCancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
      if (isCancelled && !(error instanceof ContinueAsNew)) return await close({ status: 'cancelled' });
      if (error instanceof ConnectionTimeout) {
        return await fail('connection_timeout', `Nobody connected ${error.message} in time.`);
      }
      // A continue-as-new is thrown too, and is no failure.
      if (!(error instanceof ActivityFailure)) throw error;
      return await fail(...blame(error));
    }
  };

  show('running');
  const result = await end();
  if (isEndedRunStatus(result.status)) show(result.status);
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  return result;
}

/** Settled, and nothing that an operator should see. */
function isPlain(outcome: ToolOutcome): outcome is SettledCall {
  return !outcome.status.startsWith('needs_') && outcome.status !== 'unknown';
}

function toHappened(outcomes: readonly SettledCall[]): Happened {
  return {
    after: 'tools',
    statuses: outcomes.map((o) => o.status),
    ms: Math.max(...outcomes.map((o) => o.ms)),
  };
}

/** Which error the run's row gets when an activity gave up. By type, never by text. */
function blame(failure: ActivityFailure): [RunErrorCode, string] {
  if (failure.activityType === 'callModel') {
    if (causeType(failure) === 'model.refused')
      return ['model_refused', 'The model’s provider refused the task.'];
    return ['model_error', `The model could not be used (${causeType(failure)}).`];
  }
  return ['internal', `The run could not go on (${failure.activityType}: ${causeType(failure)}).`];
}

function causeType(failure: ActivityFailure): string {
  const cause = failure.cause as { type?: unknown; timeoutType?: unknown } | undefined;
  if (typeof cause?.type === 'string') return cause.type;
  return typeof cause?.timeoutType === 'string' ? `timeout ${cause.timeoutType}` : 'unknown';
}
