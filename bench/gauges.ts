/**
 * What the figures from rows cost where there are many rows: the one statement that counts them, on a database with as many
 * ended runs as asked for and with parked ones beside them. Pages are what it reads, whatever else the machine does.
 */
import { parseArgs } from 'node:util';
import pg from 'pg';
import { COUNT } from '../db/gauges.ts';
import { machineFacts, percentile, printTable, round } from './figures.ts';
import { openScratchPostgres } from './scratch-postgres.ts';

/** The first reads pages into memory, which production has done long ago. */
const WARM_UPS = 2;

type Node = {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Node[];
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
};
type Count = { readonly ms: number; readonly pages: number; readonly scanned: readonly string[] };

export async function runGauges(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      parked: { type: 'string', default: '100000' },
      rounds: { type: 'string', default: '20' },
    },
  });
  const [rows, parked, rounds] = [Number(values.rows), Number(values.parked), Number(values.rounds)];
  const facts = machineFacts();
  const postgres = await openScratchPostgres();
  // Past triggers and row-level security: what is measured is reading.
  const database = new URL(postgres.superuserUrl);
  database.pathname = new URL(postgres.url).pathname;
  const client = new pg.Client({ connectionString: database.href });
  await client.connect();
  await client.query(`set session_replication_role = replica`);
  const table: string[][] = [['database', 'median ms', 'p95 ms', 'pages (8 kB)', 'read as a whole']];
  const tell = async (what: string): Promise<void> => {
    // What autovacuum does in its time.
    await client.query('vacuum analyze');
    const counts: Count[] = [];
    for (let i = 0; i < rounds + WARM_UPS; i += 1) counts.push(await count(client));
    const kept = counts.slice(WARM_UPS);
    const ms = kept.map((one) => one.ms);
    const last = kept.at(-1);
    table.push([
      what,
      round(percentile(ms, 0.5)),
      round(percentile(ms, 0.95)),
      String(last?.pages ?? 0),
      last?.scanned.join(', ') || '–',
    ]);
  };
  await tell('empty');
  for (const statement of endedRows(rows)) await client.query(statement);
  await tell(`${rows} ended`);
  for (const statement of parkedRows(parked)) await client.query(statement);
  await tell(`${rows} ended, ${parked} parked`);
  console.log(`${facts}\n`);
  printTable(table);
  await client.end();
  await postgres.close();
}

/** By the role that counts in production, so that row-level security is in the plan. */
async function count(client: pg.Client): Promise<Count> {
  await client.query('begin');
  await client.query('set local role bellhop_system');
  const { rows } = await client.query<{
    'QUERY PLAN': readonly { readonly Plan: Node; readonly 'Execution Time': number }[];
  }>(`explain (analyze, buffers, format json) ${COUNT}`);
  await client.query('rollback');
  const [explained] = rows[0]?.['QUERY PLAN'] ?? [];
  if (!explained) throw new Error('PostgreSQL explains nothing');
  const { Plan: plan } = explained;
  return {
    ms: explained['Execution Time'],
    pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    scanned: [...new Set(scannedIn(plan))].sort(),
  };
}

/** Tables that are read from end to end. */
function scannedIn(node: Node): readonly string[] {
  const own = node['Node Type'] === 'Seq Scan' && node['Relation Name'] ? [node['Relation Name']] : [];
  return [...own, ...(node.Plans ?? []).flatMap(scannedIn)];
}

const TERMS = `'{}', 'wait', 604800000, '{"require":"none","timeoutMs":86400000}', 'continue', '{}'`;
const RUN_COLUMNS = `id, user_id, thread_id, status, task, tools, apps, on_missing_connection, connect_timeout_ms, approvals,
  on_unknown_outcome, limits, created_at, started_at, finished_at`;

/** Each of a user of its own: a run, two calls (one in a thousand of unknown outcome), a flow, a wait, a delivery that arrived. */
function endedRows(n: number): readonly string[] {
  const series = `generate_series(1, ${n}) i`;
  const then = `now() - i * interval '1 second'`;
  return [
    `insert into users (user_id) select 'user-' || i from ${series}`,
    `insert into runs (${RUN_COLUMNS}) select 'run-' || i, 'user-' || i, 't-' || i, 'completed', 'Post the numbers',
       '{SLACK_SEND_MESSAGE}', ${TERMS}, ${then}, ${then}, ${then} from ${series}`,
    `insert into tool_calls (run_id, id, user_id, turn, position, tool, is_write, arguments, status, started_at, finished_at)
       select 'run-' || i, 'call-' || c, 'user-' || i, 1, c, 'SLACK_SEND_MESSAGE', true, '{}',
         case when c = 1 and i % 1000 = 0 then 'unknown' else 'done' end, ${then}, ${then} from ${series}, generate_series(1, 2) c`,
    `insert into connection_flows (id, user_id, app, app_name, status, token, expires_at, ended_at)
       select 'flow-' || i, 'user-' || i, 'slack', 'Slack', 'completed', 'token-' || i, now(), now() from ${series}`,
    `insert into flow_waiters (flow_id, run_id, user_id, app, reason, state)
       select 'flow-' || i, 'run-' || i, 'user-' || i, 'slack', 'missing', 'woken' from ${series}`,
    `insert into notices (id, user_id, type, dedupe_key) select 'notice-' || i, 'user-' || i, 'run.completed', i from ${series}`,
    `insert into deliveries (id, notice_id, user_id, channel, status)
       select 'delivery-' || i, 'notice-' || i, 'user-' || i, 'webhook', 'delivered' from ${series}`,
  ];
}

/** Runs that wait for Slack, and whose notices have not arrived. */
function parkedRows(n: number): readonly string[] {
  const series = `generate_series(1, ${n}) i`;
  return [
    `insert into runs (${RUN_COLUMNS}) select 'parked-' || i, 'user-' || i, 'p-' || i, 'waiting_for_connection', 'Post the numbers',
       '{SLACK_SEND_MESSAGE}', ${TERMS}, now(), now(), null from ${series}`,
    `insert into connection_flows (id, user_id, app, app_name, status, token, expires_at)
       select 'open-' || i, 'user-' || i, 'slack', 'Slack', 'open', 'open-' || i, now() from ${series}`,
    `insert into flow_waiters (flow_id, run_id, user_id, app, reason, state)
       select 'open-' || i, 'parked-' || i, 'user-' || i, 'slack', 'missing', 'waiting' from ${series}`,
    `insert into notices (id, user_id, type, dedupe_key)
       select 'told-' || i, 'user-' || i, 'run.waiting_for_connection', 'told-' || i from ${series}`,
    `insert into deliveries (id, notice_id, user_id, channel, status)
       select 'told-' || i, 'told-' || i, 'user-' || i, 'webhook', 'pending' from ${series}`,
  ];
}
