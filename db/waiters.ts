/** Which runs wait on which flow. Written with the flow, before anybody can complete it, so that no wake-up is lost. */
import { sql } from 'kysely';
import type { GateReason } from '../domain/statuses.ts';
import { WAITING_RUN } from './open-rows.ts';
import type { AnyTx, SystemTx, UserTx } from './scope.ts';

export type Waiting = {
  readonly app: string;
  readonly appName: string;
  readonly reason: GateReason;
  readonly flowId: string;
  readonly token: string;
};

/**
 * `told`: the run ended at the gate and only says what is missing. A run waits on one flow per app: an older one that has
 * ended without helping must not wake it again and again.
 */
export async function addWaiter(
  tx: UserTx,
  waiter: {
    flowId: string;
    runId: string;
    userId: string;
    app: string;
    reason: GateReason;
    state: 'waiting' | 'told';
  },
): Promise<void> {
  await tx
    .updateTable('flow_waiters')
    .set({ state: 'woken' })
    .where('run_id', '=', waiter.runId)
    .where('app', '=', waiter.app)
    .where('flow_id', '!=', waiter.flowId)
    .where('state', '=', 'waiting')
    .execute();
  await tx
    .insertInto('flow_waiters')
    .values({
      flow_id: waiter.flowId,
      run_id: waiter.runId,
      user_id: waiter.userId,
      app: waiter.app,
      reason: waiter.reason,
      state: waiter.state,
    })
    .onConflict((oc) =>
      oc.columns(['flow_id', 'run_id']).doUpdateSet({
        state: sql<'waiting'>`excluded.state`,
        reason: sql<GateReason>`excluded.reason`,
      }),
    )
    .execute();
}

/** What a run waits for, or was told at its end. */
export async function listWaiting(tx: AnyTx, runId: string): Promise<readonly Waiting[]> {
  const rows = await tx
    .selectFrom('flow_waiters')
    .innerJoin('connection_flows', 'connection_flows.id', 'flow_waiters.flow_id')
    .select([
      'flow_waiters.app',
      'connection_flows.app_name',
      'flow_waiters.reason',
      'flow_waiters.flow_id',
      'connection_flows.token',
    ])
    .where('flow_waiters.run_id', '=', runId)
    .where('flow_waiters.state', 'in', ['waiting', 'told'])
    .orderBy('flow_waiters.app')
    .execute();
  return rows.map((row) => ({
    app: row.app,
    appName: row.app_name,
    reason: row.reason,
    flowId: row.flow_id,
    token: row.token,
  }));
}

/** Runs that wait on a flow, to be signalled. */
export async function listWaitingRuns(tx: AnyTx, flowId: string): Promise<readonly string[]> {
  const rows = await tx
    .selectFrom('flow_waiters')
    .select('run_id')
    .where('flow_id', '=', flowId)
    .where('state', '=', 'waiting')
    .execute();
  return rows.map((row) => row.run_id);
}

/** Per app, the runs of a user that wait for it. */
export async function listWaitingRunsByApp(
  tx: AnyTx,
  userId: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await tx
    .selectFrom('flow_waiters')
    .select(['app', 'run_id'])
    .distinct()
    .where('user_id', '=', userId)
    .where('state', '=', 'waiting')
    .orderBy('run_id')
    .execute();
  const byApp = new Map<string, string[]>();
  for (const row of rows) byApp.set(row.app, [...(byApp.get(row.app) ?? []), row.run_id]);
  return byApp;
}

/** The run no longer waits for these apps (null: for any). @returns the apps it did wait for. */
export async function settleWaiters(
  tx: AnyTx,
  runId: string,
  apps: readonly string[] | null,
): Promise<readonly string[]> {
  let query = tx
    .updateTable('flow_waiters')
    .set({ state: 'woken' })
    .where('run_id', '=', runId)
    .where('state', '=', 'waiting');
  if (apps !== null) query = query.where(sql<boolean>`app = any(${apps as string[]}::text[])`);
  const rows = await query.returning('app').execute();
  return [...new Set(rows.map((row) => row.app))].sort();
}

/** Runs that still wait on a flow that is over: their wake-up is repeated. An expired flow wakes nobody: a run has its own time-out. */
export async function listMissedWakes(
  tx: SystemTx,
  limit: number,
): Promise<readonly { runId: string; app: string }[]> {
  const rows = await tx
    .selectFrom('flow_waiters')
    .innerJoin('connection_flows', 'connection_flows.id', 'flow_waiters.flow_id')
    .select(['flow_waiters.run_id', 'flow_waiters.app'])
    .where(sql.raw<boolean>(WAITING_RUN))
    .where('connection_flows.status', 'in', ['completed', 'cancelled'])
    // The flow's own workflow wakes within seconds; this is for what it lost.
    .where('connection_flows.ended_at', '<', sql<Date>`now() - interval '15 seconds'`)
    .limit(limit)
    .execute();
  return rows.map((row) => ({ runId: row.run_id, app: row.app }));
}
