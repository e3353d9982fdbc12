/** The load: lanes in which users' runs are started, followed to their end, cancelled now and then. Every call is an operation in the log. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ENDED_RUN_STATUSES } from '../domain/statuses.ts';
import { type ApiClient, createApiClient } from './api-client.ts';
import { CONNECTED_APPS, type User, makeUsers } from './cast.ts';
import { type Consents, createConsents } from './consents.ts';
import type { OperationLog } from './log.ts';
import { planRun } from './plan-run.ts';
import { createRandom } from './random.ts';
import type { Stage } from './stage.ts';

export type Workload = {
  readonly users: readonly User[];
  readonly api: ApiClient;
  /** No new runs; resolves when every lane has stopped. Runs that were started are followed on. */
  readonly stop: () => Promise<void>;
  /** Follows a run whose start nobody saw, so that its user connects what it waits for. */
  readonly adopt: (runId: string, userId: string) => void;
  /** Runs that are not known to have ended. */
  readonly open: () => number;
};

type Context = {
  readonly api: ApiClient;
  readonly consents: Consents;
  readonly log: OperationLog;
  readonly followed: Map<string, boolean>;
  isOpen: boolean;
};

/** How long a lane waits for its run; one that is held up by an outage is left to itself, so that the load goes on. */
const LANE_PATIENCE_MS = 25_000;
/** Open runs per lane at most: what an outage has held up comes back all at once. */
const MAX_OPEN = 3;
const LONG_POLL = '10s';

export async function startWorkload(
  stage: Stage,
  options: { seed: number; users: number; lanes: number; log: OperationLog },
): Promise<Workload> {
  const { seed, log } = options;
  const users = makeUsers(options.users);
  const api = createApiClient(stage.apiUrl, log);
  const consents = createConsents({ composio: stage.composio, seed, log });
  const context: Context = { api, consents, log, followed: new Map(), isOpen: true };
  await signUp(stage, context, users);
  let runNumber = 0;
  const lanes = Array.from({ length: options.lanes }, async (_, lane) => {
    const random = createRandom(seed, `lane-${lane}`);
    await sleep(random.int(0, 2_000));
    while (context.isOpen) {
      const user = random.pick(users);
      runNumber += 1;
      const key = `key-${seed}-${runNumber}`;
      const plan = planRun(random, user, { number: runNumber, key });
      const run = await api.startRun(user.id, key, plan);
      if (run) {
        if (plan.cancelAfterMs !== null) void cancel(context, run.id, user, plan.cancelAfterMs);
        const following = follow(context, run.id, user);
        await Promise.race([following, sleep(LANE_PATIENCE_MS, undefined, { ref: false })]);
      }
      await sleep(random.int(100, 1_200));
      while (context.isOpen && openRuns(context) > MAX_OPEN * options.lanes) await sleep(500);
    }
  });
  return {
    users,
    api,
    stop: async () => {
      context.isOpen = false;
      consents.hurry();
      await Promise.all(lanes);
    },
    adopt: (runId, userId) => {
      const user = users.find(({ id }) => id === userId);
      if (user && !context.followed.has(runId)) void follow(context, runId, user);
    },
    open: () => openRuns(context),
  };
}

async function signUp(stage: Stage, { api, log }: Context, users: readonly User[]): Promise<void> {
  await stage.composio.seedAccounts(
    users.flatMap(({ id, canary }) =>
      CONNECTED_APPS.map((app) => ({ userId: id, app, accountName: canary })),
    ),
  );
  for (const { id } of users) {
    for (;;) {
      const answer = await api.call('PUT', `/v1/users/${id}`, { body: {} }).catch(() => null);
      if (answer?.status === 201 || answer?.status === 200) break;
      await sleep(200);
    }
    log.note({ is: 'op', op: 'put-user', phase: 'ok', user: id });
  }
}

const openRuns = ({ followed }: Context): number => [...followed.values()].filter((isOpen) => isOpen).length;

function isEnded(status: string): boolean {
  return (ENDED_RUN_STATUSES as readonly string[]).includes(status);
}

async function follow(context: Context, runId: string, user: User): Promise<void> {
  const { api, consents, log, followed } = context;
  if (followed.has(runId)) return;
  followed.set(runId, true);
  let seen = '';
  for (;;) {
    const run = await api.getRun(runId, LONG_POLL);
    if (run && isEnded(run.status)) {
      log.note({ is: 'op', op: 'saw-end', phase: 'ok', user: user.id, runId, status: run.status });
      followed.set(runId, false);
      return;
    }
    for (const waiting of run?.waitingFor ?? []) consents.ask(user, waiting);
    const broken = (run?.waitingFor ?? []).filter(({ reason }) => reason !== 'missing').map(({ app }) => app);
    if (broken.length > 0 && broken.join() !== seen) {
      seen = broken.join();
      log.note({ is: 'op', op: 'saw-waiting', phase: 'ok', user: user.id, runId, broken });
    }
    // A run that waits for somebody is answered at once, and so is an outage.
    await sleep(400);
  }
}

async function cancel({ api, log }: Context, runId: string, user: User, afterMs: number): Promise<void> {
  await sleep(afterMs);
  const op = { is: 'op', op: 'cancel-run', user: user.id, runId } as const;
  log.note({ ...op, phase: 'invoke' });
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const answer = await api.call('POST', `/v1/runs/${runId}/cancel`).catch(() => null);
    if (answer !== null && answer.status < 500 && answer.status !== 429) {
      log.note({ ...op, phase: answer.status === 202 ? 'ok' : 'fail', status: answer.status });
      return;
    }
    await sleep(500);
  }
  log.note({ ...op, phase: 'info' });
}
