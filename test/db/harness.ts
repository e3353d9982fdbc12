/** A fresh migrated database per file, with short names for the two scopes. For the tests of db/ only. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { acceptRun, type NewRun } from '../../db/accept-run.ts';
import { type Flow, openFlow } from '../../db/flows.ts';
import { createDatabase, type Database } from '../../db/pool.ts';
import { type Run, markRunStarted, setRunStatus } from '../../db/runs.ts';
import { type SystemTx, type UserTx, asSystem, forUser, forUserOnce } from '../../db/scope.ts';
import { recordTurn } from '../../db/record-turn.ts';
import { putUser } from '../../db/users.ts';
import { addWaiter } from '../../db/waiters.ts';
import { DEFAULT_LIMITS } from '../../domain/limits.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

export type DbHarness = {
  readonly db: Database;
  readonly url: string;
  readonly superuserUrl: string;
  readonly user: <T>(userId: string, work: (tx: UserTx) => Promise<T>) => Promise<T>;
  readonly system: <T>(work: (tx: SystemTx) => Promise<T>) => Promise<T>;
  /** A registered user. */
  readonly newUser: (userId?: string) => Promise<string>;
  readonly newRun: (userId: string, changes?: Partial<NewRun>) => Promise<Run>;
  /** A run whose model has asked for one call, `call_1_0`. */
  readonly newCall: (userId: string, isWrite?: boolean) => Promise<{ runId: string; callId: string }>;
  readonly newFlow: (
    userId: string,
    app?: string,
    changes?: Partial<Parameters<typeof openFlow>[1]>,
  ) => Promise<Flow>;
  /** A run as the gate leaves it that has found none of these apps connected, and the flow of each. */
  readonly parkRun: (userId: string, apps?: readonly string[]) => Promise<ParkedRun>;
  /** One statement as the superuser, for what no function of db/ does (moving clocks back, looking behind policies). */
  readonly raw: <T extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]) => Promise<T[]>;
};

export type ParkedRun = {
  readonly userId: string;
  readonly runId: string;
  readonly flows: ReadonlyMap<string, Flow>;
};

export function useDatabase(): () => DbHarness {
  let database: TestDatabase | null = null;
  let harness: DbHarness | null = null;
  let superuser: pg.Pool | null = null;
  beforeAll(async () => {
    database = await createTestDatabase();
    superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 2 });
    harness = createHarness(database, superuser);
  });
  afterAll(async () => {
    await harness?.db.destroy();
    await superuser?.end();
    await database?.drop();
  });
  return () => {
    if (!harness) throw new Error('the database is not there yet');
    return harness;
  };
}

function createHarness(database: TestDatabase, superuser: pg.Pool): DbHarness {
  const db = createDatabase({ url: database.url, name: 'test', maxConnections: 12 });
  const user: DbHarness['user'] = (userId, work) => forUser(db, userId, work);
  const newRun: DbHarness['newRun'] = async (userId, changes = {}) => {
    const accepted = await user(userId, (tx) => acceptRun(tx, { ...aRun(userId), ...changes }));
    if (accepted.kind !== 'accepted') throw new Error(accepted.kind);
    return accepted.run;
  };
  const newFlow: DbHarness['newFlow'] = async (userId, app = 'slack', changes = {}) => {
    const flow = {
      userId,
      app,
      appName: app,
      reconnect: false,
      returnUrl: null,
      timeoutMs: 60_000,
      ...changes,
    };
    return (await user(userId, (tx) => openFlow(tx, flow))).flow;
  };
  return {
    db,
    url: database.url,
    superuserUrl: database.superuserUrl,
    user,
    system: (work) => asSystem(db, work),
    newUser: async (userId = `user-${randomUUID()}`) => {
      await user(userId, (tx) => putUser(tx, userId, {}));
      return userId;
    },
    newRun,
    newCall: async (userId, isWrite = true) => {
      const run = await newRun(userId);
      await forUserOnce(
        db,
        userId,
        recordTurn({
          events: [],
          output: null,
          message: {
            runId: run.id,
            userId,
            turn: 1,
            content: null,
            toolCalls: [
              {
                id: 'call_1_0',
                tool: 'SLACK_SEND_MESSAGE',
                app: 'slack',
                isWrite,
                arguments: '{}',
                position: 0,
              },
            ],
            usage: { inputTokens: 1, outputTokens: 1 },
          },
        }),
      );
      return { runId: run.id, callId: 'call_1_0' };
    },
    newFlow,
    parkRun: async (userId, apps = ['slack']) => {
      const { id: runId } = await newRun(userId);
      const flows = new Map<string, Flow>();
      for (const app of apps) flows.set(app, await newFlow(userId, app));
      await user(userId, async (tx) => {
        await markRunStarted(tx, runId, apps);
        for (const [app, flow] of flows)
          await addWaiter(tx, { flowId: flow.id, runId, userId, app, reason: 'missing', state: 'waiting' });
        await setRunStatus(tx, runId, 'waiting_for_connection');
      });
      return { userId, runId, flows };
    },
    raw: async (sql, values = []) => (await superuser.query(sql, [...values])).rows,
  };
}

export function aRun(userId: string): NewRun {
  return {
    id: randomUUID(),
    userId,
    threadId: randomUUID(),
    task: 'Say hello',
    instructions: null,
    model: null,
    tools: ['SLACK_SEND_MESSAGE'],
    onMissingConnection: 'wait',
    connectTimeoutMs: 60_000,
    approvals: { require: 'none', timeoutMs: 86_400_000 },
    onUnknownOutcome: 'continue',
    limits: DEFAULT_LIMITS,
    metadata: {},
  };
}
