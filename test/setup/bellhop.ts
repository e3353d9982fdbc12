/**
 * Everything but the API, for tests of workflows and activities: both sandboxes, a fresh database, a worker on a task queue
 * of its own. Real parts throughout; `close` fails the file when something leaked.
 */
import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { ActivitySettings } from '../../activities/deps.ts';
import { createComposioBudget } from '../../api/composio-budget.ts';
import { createComposio } from '../../composio/create-composio.ts';
import type { ComposioPort } from '../../composio/port.ts';
import type { SdkName } from '../../composio/sdk-port.ts';
import { acceptRun } from '../../db/accept-run.ts';
import { createDatabase, type Database } from '../../db/pool.ts';
import { getRun, type Run } from '../../db/runs.ts';
import { asSystem, forUser } from '../../db/scope.ts';
import { putUser } from '../../db/users.ts';
import type { ApprovalRequirement } from '../../domain/approval.ts';
import { DEFAULT_LIMITS, type RunLimits } from '../../domain/limits.ts';
import { isEndedRunStatus } from '../../domain/statuses.ts';
import type { MailPort } from '../../mail/port.ts';
import { createModel } from '../../model/openai.ts';
import { createSandboxControl, type SandboxControl } from '../../sandbox/composio/control.ts';
import { createComposioSandbox } from '../../sandbox/composio/server.ts';
import { createModelSandboxControl, type ModelSandboxControl } from '../../sandbox/model/control.ts';
import { createModelSandbox } from '../../sandbox/model/server.ts';
import { type RunningWorker, createWorker } from '../../worker/create-worker.ts';
import { AGENT_RUN, WORKFLOW_TASK_TIMEOUT, runWorkflowId } from '../../workflows/messages.ts';
import { createTestDatabase } from './database.ts';
import { installTestRuntime } from './runtime.ts';
import { testTaskQueue, testTemporalAddress, testWorkflowBundle } from './temporal.ts';
import { PATIENCE_MS } from './until.ts';

export type NewTestRun = {
  readonly userId: string;
  readonly task: string;
  readonly tools: readonly string[];
  readonly onMissingConnection?: 'wait' | 'fail';
  readonly connectTimeoutMs?: number;
  readonly limits?: Partial<RunLimits>;
  readonly requireApproval?: ApprovalRequirement;
  readonly onUnknownOutcome?: 'continue' | 'wait';
  readonly threadId?: string;
  readonly instructions?: string;
};

export type TestBellhop = {
  readonly db: Database;
  readonly databaseUrl: string;
  readonly client: Client;
  readonly taskQueue: string;
  readonly composio: ComposioPort;
  readonly sandbox: SandboxControl;
  readonly sandboxUrl: string;
  readonly modelSandbox: ModelSandboxControl;
  readonly modelUrl: string;
  readonly settings: ActivitySettings;
  readonly putUser: (userId: string) => Promise<void>;
  /** Accepts a run and starts its workflow, as the API does. @returns the run's id. */
  readonly start: (run: NewTestRun) => Promise<string>;
  /** Accepts a run and starts nothing. */
  readonly accept: (run: NewTestRun) => Promise<string>;
  readonly run: (runId: string) => Promise<Run>;
  /** Polls the run's row. @throws after `timeoutMs`, naming the status that the run is in. */
  readonly until: (runId: string, isThere: (run: Run) => boolean, timeoutMs?: number) => Promise<Run>;
  readonly ended: (runId: string, timeoutMs?: number) => Promise<Run>;
  /** Stops the worker in order; runs wait until there is one again. */
  readonly stopWorker: () => Promise<void>;
  readonly startWorker: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Quick for tests: what takes minutes in the world takes a moment here. */
const SETTINGS: ActivitySettings = {
  // A call that a test holds up must not run out of time while a busy machine comes to it.
  toolTimeoutMs: 60_000,
  callbackGraceMs: 300,
  freshAccountGraceMs: 1_500,
  pollIntervalMs: 200,
  // No flow ends before its test, however slow the machine is.
  connectTimeoutMs: 600_000,
  userRuns: 50,
  verifierMode: false,
  publicUrl: 'http://localhost:1',
  webhook: null,
  hasMail: false,
  noticeWaitScale: 1,
  retention: { runsMs: null, eventsMs: null, deliveriesMs: null, flowsMs: null, auditsMs: null },
  sabotage: null,
};

export async function startTestBellhop(
  options: {
    settings?: Partial<ActivitySettings>;
    sabotage?: 'skip-scope';
    /** As COMPOSIO_SDK. */
    sdk?: SdkName;
    namespace?: string;
    noWorker?: boolean;
    /** Activity slots of the worker. */
    maxActivities?: number;
    /** Of the caller's own, who closes it. */
    mail?: MailPort;
    /** Of the Composio budget; far more than any test makes. */
    requestsPerMinute?: number;
    /** A migrated database of the caller's own, and a Temporal server of the caller's own: for tests that take them away. */
    databaseUrl?: string;
    temporalAddress?: string;
  } = {},
): Promise<TestBellhop> {
  const settings = { ...SETTINGS, hasMail: options.mail !== undefined, ...options.settings };
  const namespace = options.namespace ?? 'default';
  const [database, composioSandbox, modelSandbox, address, bundlePath] = await Promise.all([
    options.databaseUrl === undefined
      ? createTestDatabase()
      : { url: options.databaseUrl, drop: () => Promise.resolve() },
    createComposioSandbox({}),
    createModelSandbox({}),
    options.temporalAddress ?? testTemporalAddress(),
    testWorkflowBundle(),
  ]);
  installTestRuntime();
  const db = createDatabase({ url: database.url, name: 'test' });
  // What tests wait with: a crowd that has all connections of the product's own pool does not keep them out.
  const onlooker = createDatabase({ url: database.url, name: 'test-onlooker', maxConnections: 2 });
  const sabotage = options.sabotage === undefined ? {} : { sabotage: options.sabotage };
  const budget = createComposioBudget(db, {
    requestsPerMinute: options.requestsPerMinute ?? 10_000_000,
    listenUrl: database.url,
    name: 'test-budget',
    onListenerLost: () => undefined,
  });
  const composio = createComposio({
    apiKey: 'sandbox-composio-key',
    baseUrl: composioSandbox.url,
    authConfigs: new Map(),
    sdk: options.sdk ?? 'composio-core',
    budget,
    ...sabotage,
  });
  const model = createModel({
    apiKey: 'sandbox-model-key',
    baseUrl: `${modelSandbox.url}/v1`,
    defaultModel: 'test',
  });
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const client = new Client({ connection, namespace });
  const taskQueue = testTaskQueue();
  let worker: RunningWorker | null = null;
  let running: Promise<void> = Promise.resolve();
  const startWorker = async (): Promise<void> => {
    await stopWorker(); // of an attempt that failed
    worker = await createWorker({
      db,
      composio,
      model,
      mail: options.mail ?? null,
      settings,
      connection: native,
      namespace,
      taskQueue,
      workflowBundle: { codePath: bundlePath },
      ...(options.maxActivities === undefined ? {} : { maxActivities: options.maxActivities }),
    });
    running = worker.run();
  };
  const stopWorker = async (): Promise<void> => {
    worker?.shutdown();
    await running;
    worker = null;
    running = Promise.resolve();
  };
  if (options.noWorker !== true) await startWorker();
  const readRun = async (runId: string): Promise<Run> => {
    const run = await asSystem(onlooker, (tx) => getRun(tx, runId));
    if (!run) throw new Error(`no run ${runId}`);
    return run;
  };
  const until = async (
    runId: string,
    isThere: (run: Run) => boolean,
    timeoutMs = PATIENCE_MS,
  ): Promise<Run> => {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const run = await readRun(runId).catch(nullWhenCrowded);
      if (run && isThere(run)) return run;
      if (Date.now() > deadline) {
        throw new Error(
          `run ${runId} is ${run?.status} ${run?.error?.code ?? ''} ${run?.error?.message ?? ''} after ${timeoutMs} ms`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return {
    db,
    databaseUrl: database.url,
    client,
    taskQueue,
    composio,
    sandbox: createSandboxControl(composioSandbox.url),
    sandboxUrl: composioSandbox.url,
    modelSandbox: createModelSandboxControl(modelSandbox.url),
    modelUrl: modelSandbox.url,
    settings,
    putUser: async (userId) => void (await forUser(db, userId, (tx) => putUser(tx, userId, {}))),
    accept: (run) => accept(db, settings, run),
    start: async (run) => {
      const id = await accept(db, settings, run);
      await client.workflow.start(AGENT_RUN, {
        workflowId: runWorkflowId(id),
        taskQueue,
        workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
        args: [{ runId: id, userId: run.userId }],
      });
      return id;
    },
    run: readRun,
    until,
    ended: (runId, timeoutMs) => until(runId, (run) => isEndedRunStatus(run.status), timeoutMs),
    startWorker,
    stopWorker,
    close: async () => {
      await stopWorker();
      await native.close();
      await connection.close();
      await budget.close();
      await db.destroy();
      await onlooker.destroy();
      await Promise.all([composioSandbox.close(), modelSandbox.close()]);
      await database.drop();
    },
  };
}

/** Of a pool that has no connection for this look: the next look may have one. */
function nullWhenCrowded(error: unknown): null {
  if (error instanceof Error && error.message.includes('timeout exceeded when trying to connect'))
    return null;
  throw error;
}

async function accept(db: Database, settings: ActivitySettings, run: NewTestRun): Promise<string> {
  const id = randomUUID();
  const accepted = await forUser(db, run.userId, (tx) =>
    acceptRun(tx, {
      id,
      userId: run.userId,
      threadId: run.threadId ?? randomUUID(),
      task: run.task,
      instructions: run.instructions ?? null,
      model: null,
      tools: run.tools,
      onMissingConnection: run.onMissingConnection ?? 'wait',
      connectTimeoutMs: run.connectTimeoutMs ?? settings.connectTimeoutMs,
      approvals: { require: run.requireApproval ?? 'none', timeoutMs: 86_400_000 },
      onUnknownOutcome: run.onUnknownOutcome ?? 'continue',
      limits: { ...DEFAULT_LIMITS, ...run.limits },
      metadata: {},
    }),
  );
  if (accepted.kind !== 'accepted') throw new Error(accepted.kind);
  return id;
}

/** A task that scripts the model: its answers, in order. */
export function scripted(answers: readonly object[], words = 'Do it.'): string {
  return `${words}\n\`\`\`script\n${JSON.stringify(answers)}\n\`\`\``;
}
