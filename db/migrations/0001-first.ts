/** The first tables, with the tool ledger's columns, the two roles and row-level security. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const TABLES = `
create table users (
  user_id text collate "C" primary key,
  email text,
  display_name text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table connections (
  user_id text collate "C" not null references users on delete cascade,
  account_id text collate "C" not null,
  app text not null,
  status text not null,
  status_reason text,
  disabled boolean not null default false,
  flow_id text,
  verified_at timestamptz,
  connected_at timestamptz,
  last_checked_at timestamptz not null default now(),
  primary key (user_id, account_id)
);

create table connection_flows (
  id text primary key,
  user_id text collate "C" not null references users on delete cascade,
  app text not null,
  app_name text not null,
  status text not null default 'open',
  reason text,
  reconnect boolean not null default false,
  return_url text,
  token text not null unique,
  account_id text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  last_go_at timestamptz
);
create unique index connection_flows_one_open on connection_flows (user_id, app) where status = 'open';
create index connection_flows_open_expiry on connection_flows (expires_at) where status = 'open';

create table connection_attempts (
  id text primary key,
  flow_id text not null references connection_flows on delete cascade,
  user_id text collate "C" not null references users on delete cascade,
  app text not null,
  state_hash bytea not null,
  cookie_hash bytea not null,
  account_id text,
  status text not null default 'open',
  reason text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  active_seen_at timestamptz,
  accepted_by text,
  code_hash bytea,
  cleaned_at timestamptz
);
create index connection_attempts_flow on connection_attempts (flow_id, created_at);
create index connection_attempts_user_app on connection_attempts (user_id, app);

create table threads (
  user_id text collate "C" not null references users on delete cascade,
  id text not null,
  active_run_id text,
  created_at timestamptz not null default now(),
  primary key (user_id, id)
);

create table runs (
  id text primary key,
  user_id text collate "C" not null references users on delete cascade,
  thread_id text not null,
  status text not null default 'running',
  task text not null,
  instructions text,
  model text,
  tools text[] not null,
  apps text[] not null default '{}',
  on_missing_connection text not null,
  connect_timeout_ms bigint not null,
  approvals jsonb not null,
  on_unknown_outcome text not null,
  limits jsonb not null,
  metadata jsonb not null default '{}',
  output text,
  error_code text,
  error_message text,
  model_calls integer not null default 0,
  tool_calls integer not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  last_event_seq integer not null default 0,
  cancel_requested_at timestamptz,
  started_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  foreign key (user_id, thread_id) references threads (user_id, id) on delete cascade
);
create index runs_by_user on runs (user_id, created_at desc, id desc);
create index runs_by_time on runs (created_at desc, id desc);
create index runs_by_thread on runs (user_id, thread_id, created_at);
create index runs_not_ended on runs (updated_at) where finished_at is null;

create table flow_waiters (
  flow_id text not null references connection_flows on delete cascade,
  run_id text not null references runs on delete cascade,
  user_id text collate "C" not null references users on delete cascade,
  app text not null,
  reason text not null,
  state text not null default 'waiting',
  created_at timestamptz not null default now(),
  primary key (flow_id, run_id)
);
create index flow_waiters_by_run on flow_waiters (run_id);

create table connection_episodes (
  id text primary key,
  user_id text collate "C" not null references users on delete cascade,
  app text not null,
  account_id text not null,
  status text not null,
  opened_at timestamptz not null default now(),
  closed_at timestamptz
);
create unique index connection_episodes_one_open on connection_episodes (user_id, app) where closed_at is null;

create table messages (
  run_id text not null references runs on delete cascade,
  turn integer not null,
  user_id text collate "C" not null references users on delete cascade,
  role text not null,
  content text,
  tool_call_ids text[] not null default '{}',
  input_tokens integer not null default 0,
  output_tokens integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (run_id, turn)
);

create table tool_calls (
  run_id text not null references runs on delete cascade,
  id text not null,
  user_id text collate "C" not null references users on delete cascade,
  turn integer not null,
  position integer not null,
  tool text not null,
  app text,
  is_write boolean not null,
  arguments text not null,
  digest text,
  account_id text,
  status text not null default 'pending',
  attempts integer not null default 0,
  started_at timestamptz,
  deadline_at timestamptz,
  finished_at timestamptz,
  result jsonb,
  error text,
  log_id text,
  primary key (run_id, id)
);

create table run_events (
  run_id text not null references runs on delete cascade,
  seq integer not null,
  user_id text collate "C" not null references users on delete cascade,
  type text not null,
  at timestamptz not null default clock_timestamp(),
  data jsonb not null default '{}',
  primary key (run_id, seq)
);

create table audits (
  id text primary key,
  mode text not null,
  status text not null default 'running',
  workflow_id text not null,
  cursor text,
  users_scanned bigint not null default 0,
  broken bigint not null default 0,
  notified bigint not null default 0,
  skipped bigint not null default 0,
  composio_requests bigint not null default 0,
  error text,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz
);
create unique index audits_one_running on audits ((true)) where status = 'running';

create table notices (
  id text primary key,
  user_id text collate "C" not null references users on delete cascade,
  type text not null,
  dedupe_key text not null unique,
  app text,
  flow_id text,
  run_id text,
  data jsonb not null default '{}',
  created_at timestamptz not null default now()
);

create table deliveries (
  id text primary key,
  notice_id text not null references notices on delete cascade,
  user_id text collate "C" not null references users on delete cascade,
  channel text not null,
  status text not null default 'pending',
  attempts integer not null default 0,
  last_status integer,
  last_error text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default now(),
  delivered_at timestamptz,
  unique (notice_id, channel)
);
create index deliveries_by_time on deliveries (created_at desc, id desc);
create index deliveries_pending on deliveries (updated_at) where status = 'pending';

create table idempotency_keys (
  owner text not null,
  key text not null,
  body_digest text not null,
  run_id text not null,
  created_at timestamptz not null default now(),
  accepted_at timestamptz,
  primary key (owner, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
`;

/** Tables whose rows belong to one user: both roles have a policy. */
const USER_TABLES = [
  'users',
  'connections',
  'connection_flows',
  'connection_attempts',
  'flow_waiters',
  'connection_episodes',
  'threads',
  'runs',
  'messages',
  'tool_calls',
  'run_events',
  'notices',
  'deliveries',
];
/** Tables that span users: only bellhop_system may see them. */
const SYSTEM_TABLES = ['audits', 'idempotency_keys'];

function policies(): string {
  const lines: string[] = [];
  for (const table of [...USER_TABLES, ...SYSTEM_TABLES]) {
    lines.push(
      `alter table ${table} enable row level security;`,
      `alter table ${table} force row level security;`,
      `grant select, insert, update, delete on ${table} to bellhop_system;`,
      `create policy ${table}_system on ${table} to bellhop_system using (true) with check (true);`,
    );
  }
  for (const table of USER_TABLES) {
    lines.push(
      `grant select, insert, update, delete on ${table} to bellhop_user;`,
      `create policy ${table}_user on ${table} to bellhop_user
         using (user_id = current_setting('bellhop.user_id', true))
         with check (user_id = current_setting('bellhop.user_id', true));`,
    );
  }
  return lines.join('\n');
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(TABLES).execute(db);
  await sql.raw(policies()).execute(db);
  await sql`grant usage on schema public to bellhop_user, bellhop_system`.execute(db);
}
