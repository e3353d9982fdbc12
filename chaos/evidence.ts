/** The database and Temporal as they are at the end, written to the log folder for the checker. Judges nothing. */
import { Client, Connection } from '@temporalio/client';
import { findToken } from './cast.ts';
import { query } from './calm.ts';
import { openJsonLines } from './log.ts';
import type { Stage } from './stage.ts';

/** Lines of `runs.jsonl`. Times are epoch milliseconds. */
export type RunRow = {
  readonly id: string;
  readonly user: string;
  readonly key: string | null;
  readonly status: string;
  readonly error: string | null;
  readonly message: string | null;
  readonly isLocking: boolean;
  readonly createdAt: number;
  readonly finishedAt: number | null;
};
/** Lines of `tool-calls.jsonl`. */
export type CallRow = {
  readonly runId: string;
  readonly id: string;
  readonly user: string;
  readonly tool: string;
  readonly isWrite: boolean;
  readonly token: string | null;
  readonly accountId: string | null;
  readonly status: string;
  readonly attempts: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly error: string | null;
};
/** Lines of `episodes.jsonl`: each time the product saw an app stop working. */
export type EpisodeRow = {
  readonly id: string;
  readonly user: string;
  readonly app: string;
  readonly accountId: string;
  readonly openedAt: number;
  readonly closedAt: number | null;
};
/** Lines of `notice-rows.jsonl`. */
export type NoticeRow = {
  readonly id: string;
  readonly user: string;
  readonly type: string;
  readonly app: string | null;
  readonly runId: string | null;
  readonly key: string;
  readonly delivery: string | null;
  readonly createdAt: number;
};
/** Lines of `workflows.jsonl`. */
export type WorkflowRow = {
  readonly workflowId: string;
  readonly type: string;
  readonly status: string;
};
/** Lines of `accounts.jsonl`: the sandbox's accounts at the end. */
export type AccountRow = {
  readonly id: string;
  readonly user: string;
  readonly app: string;
  readonly status: string;
  readonly revokedAtProvider: boolean;
  readonly createdAt: number;
};
/** Lines of `progress.jsonl`: when something moved, epoch milliseconds: an activity's word in a run. */
export type ProgressRow = { readonly at: number };

const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

const TABLES: Readonly<Record<string, string>> = {
  runs: `select r.id, r.user_id as user, r.metadata->>'key' as key, r.status, r.error_code as error,
    r.error_message as message,
    exists (select 1 from threads t where t.active_run_id = r.id) as "isLocking",
    ${ms('r.created_at')} as "createdAt", ${ms('r.finished_at')} as "finishedAt" from runs r order by r.created_at`,
  'tool-calls': `select run_id as "runId", id, user_id as user, tool, is_write as "isWrite", arguments,
    account_id as "accountId", status, attempts, ${ms('started_at')} as "startedAt",
    ${ms('finished_at')} as "finishedAt", error from tool_calls`,
  episodes: `select id, user_id as user, app, account_id as "accountId", ${ms('opened_at')} as "openedAt",
    ${ms('closed_at')} as "closedAt" from connection_episodes order by opened_at`,
  'notice-rows': `select n.id, n.user_id as user, n.type, n.app, n.run_id as "runId", n.dedupe_key as key,
    d.status as delivery, ${ms('n.created_at')} as "createdAt"
    from notices n left join deliveries d on d.notice_id = n.id and d.channel = 'webhook' order by n.created_at`,
  progress: `select ${ms('at')} as at from run_events
    where type in ('run.started', 'model.completed', 'tool.started', 'tool.completed') order by at`,
};

export async function gatherEvidence(stage: Stage): Promise<void> {
  for (const [name, statement] of Object.entries(TABLES)) {
    const rows = await query<Record<string, unknown>>(stage, statement);
    const lines = openJsonLines(stage.folder, `${name}.jsonl`);
    for (const row of rows) lines.write(name === 'tool-calls' ? withToken(row) : row);
    lines.close();
  }
  await gatherWorkflows(stage);
  const accounts = openJsonLines(stage.folder, 'accounts.jsonl');
  for (const { id, userId, app, status, revokedAtProvider, createdAt } of await stage.composio.accounts()) {
    const row: AccountRow = {
      id,
      user: userId,
      app,
      status,
      revokedAtProvider,
      createdAt: Date.parse(createdAt),
    };
    accounts.write(row);
  }
  accounts.close();
}

function withToken({ arguments: text, ...row }: Record<string, unknown>): object {
  return { ...row, token: findToken(String(text))?.token ?? null };
}

async function gatherWorkflows(stage: Stage): Promise<void> {
  const connection = await Connection.connect({ address: stage.temporalAddress() });
  const lines = openJsonLines(stage.folder, 'workflows.jsonl');
  try {
    const client = new Client({ connection });
    for await (const { workflowId, type, status } of client.workflow.list()) {
      const row: WorkflowRow = { workflowId, type, status: status.name };
      lines.write(row);
    }
  } finally {
    lines.close();
    await connection.close();
  }
}
