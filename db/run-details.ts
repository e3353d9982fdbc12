/** What the bodies of several runs show besides their rows, in three statements for a whole page. */
import { sql } from 'kysely';
import { type Approval, toApproval } from './approvals.ts';
import type { AnyTx } from './scope.ts';
import type { ToolCall } from './transcript.ts';
import { toToolCall } from './transcript.ts';
import type { Waiting } from './waiters.ts';

export type RunDetails = {
  readonly waiting: readonly Waiting[];
  readonly toolCalls: readonly ToolCall[];
  /** The newest asking per call id. */
  readonly approvals: ReadonlyMap<string, Approval>;
};

/** Details of each of these runs: what it waits for (or was told at its end), its tool calls in the model's order. */
export async function listRunDetails(
  tx: AnyTx,
  runIds: readonly string[],
  { withContent }: { withContent: boolean },
): Promise<ReadonlyMap<string, RunDetails>> {
  const ids = sql<string>`any(${runIds as string[]}::text[])`;
  const waiting = await tx
    .selectFrom('flow_waiters')
    .innerJoin('connection_flows', 'connection_flows.id', 'flow_waiters.flow_id')
    .select([
      'flow_waiters.run_id',
      'flow_waiters.app',
      'connection_flows.app_name',
      'flow_waiters.reason',
      'flow_waiters.flow_id',
      'connection_flows.token',
    ])
    .where('flow_waiters.run_id', '=', ids)
    .where('flow_waiters.state', 'in', ['waiting', 'told'])
    .orderBy('flow_waiters.app')
    .execute();
  const calls = await listCalls(tx, runIds, withContent);
  const approvals = await tx
    .selectFrom('approvals')
    .selectAll()
    .where('run_id', '=', ids)
    .orderBy('round')
    .execute();
  return new Map(
    runIds.map((id) => [
      id,
      {
        waiting: waiting.filter((row) => row.run_id === id).map(toWaiting),
        toolCalls: calls.filter((row) => row.run_id === id).map(toToolCall),
        // Later rounds overwrite earlier ones.
        approvals: new Map(
          approvals.filter((row) => row.run_id === id).map((row) => [row.call_id, toApproval(row)]),
        ),
      },
    ]),
  );
}

/** Without content when nobody will be shown it: one result may have 50 MB, and a page has a hundred runs. */
async function listCalls(tx: AnyTx, runIds: readonly string[], withContent: boolean) {
  const query = tx
    .selectFrom('tool_calls')
    .where('run_id', '=', sql<string>`any(${runIds as string[]}::text[])`)
    .orderBy('turn')
    .orderBy('position');
  if (withContent) return query.selectAll().execute();
  return query
    .select(CALL_COLUMNS)
    .select([
      sql<string>`''`.as('arguments'),
      sql<null>`null`.as('edited_arguments'),
      sql<null>`null`.as('result'),
      sql<null>`null`.as('error'),
    ])
    .execute();
}

/** All but the content. */
const CALL_COLUMNS = [
  'run_id',
  'id',
  'user_id',
  'turn',
  'position',
  'tool',
  'app',
  'is_write',
  'digest',
  'account_id',
  'status',
  'attempts',
  'started_at',
  'deadline_at',
  'finished_at',
  'log_id',
  'resolution',
  'resolver',
  'resolved_at',
  'resolution_heard_at',
] as const;

function toWaiting(row: {
  app: string;
  app_name: string;
  reason: Waiting['reason'];
  flow_id: string;
  token: string;
}): Waiting {
  return { app: row.app, appName: row.app_name, reason: row.reason, flowId: row.flow_id, token: row.token };
}
