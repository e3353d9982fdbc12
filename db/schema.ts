/** The tables as kysely sees them. Columns are spelled as in SQL; each table's own file maps rows to domain objects. */
import type { ColumnType, Generated, GeneratedAlways, JSONColumnType } from 'kysely';
import type { AdminAction } from '../domain/admin-actions.ts';
import type { ApprovalRequirement } from '../domain/approval.ts';
import type { ErasureCounts } from '../domain/erasure.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { RunLimits } from '../domain/limits.ts';
import type { Scope } from '../domain/scopes.ts';
import type {
  ApprovalStatus,
  AttemptStatus,
  AuditMode,
  AuditStatus,
  ConnectionStatus,
  FlowStatus,
  GateReason,
  NoticeType,
  ResolutionOutcome,
  RunErrorCode,
  RunEventType,
  RunStatus,
  SkipReason,
  ToolCallStatus,
  WebhookEventOutcome,
} from '../domain/statuses.ts';

type Instant = ColumnType<Date, Date | string, Date | string>;
type InstantNow = ColumnType<Date, Date | string | undefined, Date | string>;
type NullableInstant = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;

export interface Schema {
  users: UsersTable;
  connections: ConnectionsTable;
  connection_flows: ConnectionFlowsTable;
  connection_attempts: ConnectionAttemptsTable;
  flow_waiters: FlowWaitersTable;
  connection_episodes: ConnectionEpisodesTable;
  threads: ThreadsTable;
  runs: RunsTable;
  messages: MessagesTable;
  tool_calls: ToolCallsTable;
  approvals: ApprovalsTable;
  run_events: RunEventsTable;
  audits: AuditsTable;
  audit_skips: AuditSkipsTable;
  notices: NoticesTable;
  deliveries: DeliveriesTable;
  idempotency_keys: IdempotencyKeysTable;
  gone_receivers: GoneReceiversTable;
  webhook_events: WebhookEventsTable;
  api_keys: ApiKeysTable;
  portal_links: PortalLinksTable;
  ended_sessions: EndedSessionsTable;
  audit_log: AuditLogTable;
  audit_log_people: AuditLogPeopleTable;
  erasures: ErasuresTable;
}

export interface UsersTable {
  user_id: string;
  email: string | null;
  display_name: string | null;
  metadata: JSONColumnType<JsonObject>;
  created_at: InstantNow;
  updated_at: InstantNow;
  /** The erasure that runs; nothing of the user begins while it does. */
  erasure_id: Generated<string | null>;
}
export interface ConnectionsTable {
  user_id: string;
  account_id: string;
  app: string;
  status: ConnectionStatus;
  status_reason: string | null;
  disabled: boolean;
  /** The flow of ours that opened it; null when it was made elsewhere. */
  flow_id: string | null;
  verified_at: NullableInstant;
  refused_at: NullableInstant;
  connected_at: NullableInstant;
  last_checked_at: InstantNow;
}
export interface ConnectionFlowsTable {
  id: string;
  user_id: string;
  app: string;
  app_name: string;
  status: Generated<FlowStatus>;
  reason: string | null;
  reconnect: Generated<boolean>;
  refused_account_id: Generated<string | null>;
  return_url: string | null;
  /** The notice that mailed its link, or is about to. */
  mail_notice_id: Generated<string | null>;
  token: string;
  account_id: string | null;
  created_at: InstantNow;
  expires_at: Instant;
  ended_at: NullableInstant;
  last_go_at: NullableInstant;
}
export interface ConnectionAttemptsTable {
  id: string;
  flow_id: string;
  user_id: string;
  app: string;
  state_hash: Buffer;
  cookie_hash: Buffer;
  account_id: string | null;
  status: Generated<AttemptStatus>;
  reason: string | null;
  created_at: InstantNow;
  expires_at: Instant;
  /** When polling first saw the account ACTIVE without a callback. */
  active_seen_at: NullableInstant;
  /** How the consent was accepted: `callback`, `poll` or `confirm`. */
  accepted_by: string | null;
  code_hash: Buffer | null;
  /** The account was deleted at Composio, so it needs no more care. */
  cleaned_at: NullableInstant;
}
export interface FlowWaitersTable {
  flow_id: string;
  run_id: string;
  user_id: string;
  app: string;
  reason: GateReason;
  /** `waiting`: to be woken; `told`: the run ended at the gate; `woken`: done with. */
  state: Generated<'waiting' | 'told' | 'woken'>;
  created_at: InstantNow;
}
export interface ConnectionEpisodesTable {
  id: string;
  user_id: string;
  app: string;
  account_id: string;
  status: ConnectionStatus;
  opened_at: InstantNow;
  closed_at: NullableInstant;
}
export interface ThreadsTable {
  user_id: string;
  id: string;
  active_run_id: string | null;
  created_at: InstantNow;
}
export type ApprovalPolicy = {
  readonly require: ApprovalRequirement;
  readonly timeoutMs: number;
};
export interface RunsTable {
  id: string;
  user_id: string;
  thread_id: string;
  status: Generated<RunStatus>;
  task: string;
  instructions: string | null;
  model: string | null;
  tools: string[];
  apps: Generated<string[]>;
  on_missing_connection: 'wait' | 'fail';
  connect_timeout_ms: number;
  approvals: JSONColumnType<ApprovalPolicy>;
  on_unknown_outcome: 'continue' | 'wait';
  limits: JSONColumnType<RunLimits>;
  metadata: JSONColumnType<JsonObject>;
  output: string | null;
  error_code: RunErrorCode | null;
  error_message: string | null;
  model_calls: Generated<number>;
  tool_calls: Generated<number>;
  input_tokens: Generated<number>;
  output_tokens: Generated<number>;
  last_event_seq: Generated<number>;
  cancel_requested_at: NullableInstant;
  /** When it got its place among its user's runs at work. */
  admitted_at: NullableInstant;
  /** Since when it waits for a place; null when it does not. */
  queued_at: NullableInstant;
  /** When the workflow first ran; null while it is only accepted. */
  started_at: NullableInstant;
  /** While it lasts, changes of this run are notified: somebody follows it. */
  watched_until: NullableInstant;
  created_at: InstantNow;
  updated_at: InstantNow;
  finished_at: NullableInstant;
}
export interface MessagesTable {
  run_id: string;
  /** Turn of the assistant message; 0 is the user's task. */
  turn: number;
  user_id: string;
  role: 'user' | 'assistant';
  content: string | null;
  /** Ids of the tool calls that this assistant message made. */
  tool_call_ids: string[];
  input_tokens: Generated<number>;
  output_tokens: Generated<number>;
  created_at: InstantNow;
}
export interface ToolCallsTable {
  run_id: string;
  id: string;
  user_id: string;
  turn: number;
  position: number;
  tool: string;
  app: string | null;
  is_write: boolean;
  /** The arguments as the model wrote them: JSON text, perhaps malformed. */
  arguments: string;
  /** SHA-256 of tool, canonical arguments and account, hex; set when the call starts. */
  digest: string | null;
  account_id: string | null;
  status: Generated<ToolCallStatus>;
  attempts: Generated<number>;
  /** When the newest request was about to leave, by the database's clock. */
  started_at: NullableInstant;
  /** Until when that request may still have an effect. */
  deadline_at: NullableInstant;
  finished_at: NullableInstant;
  result: ColumnType<Json | null, string | null | undefined, string | null>;
  error: string | null;
  log_id: string | null;
  /** What an approver made of the arguments; it is what runs. The model's own stay as they were. */
  edited_arguments: string | null;
  /** A person's word on an unknown outcome. */
  resolution: ResolutionOutcome | null;
  resolver: string | null;
  resolved_at: NullableInstant;
  /** When the workflow that waited for it heard of it. */
  resolution_heard_at: NullableInstant;
}
export interface ApprovalsTable {
  run_id: string;
  call_id: string;
  round: number;
  user_id: string;
  /** Of tool, canonical arguments and account: what may run, and nothing else. */
  digest: string;
  account_id: string | null;
  status: Generated<ApprovalStatus>;
  requested_at: InstantNow;
  expires_at: Instant;
  decided_at: NullableInstant;
  approver: string | null;
  reason: string | null;
}
export interface RunEventsTable {
  run_id: string;
  seq: number;
  user_id: string;
  type: RunEventType;
  at: InstantNow;
  data: JSONColumnType<JsonObject>;
}
export interface AuditsTable {
  id: string;
  mode: AuditMode;
  status: Generated<AuditStatus>;
  workflow_id: string;
  cursor: string | null;
  users_scanned: Generated<number>;
  broken: Generated<number>;
  notified: Generated<number>;
  skipped: Generated<number>;
  composio_requests: Generated<number>;
  error: string | null;
  started_at: InstantNow;
  finished_at: NullableInstant;
}
/** Users that an audit could not look at. */
export interface AuditSkipsTable {
  audit_id: string;
  user_id: string;
  reason: SkipReason;
  skipped_at: InstantNow;
}
export interface NoticesTable {
  id: string;
  user_id: string;
  type: NoticeType;
  /** One notice per key, whoever writes it first. */
  dedupe_key: string;
  app: string | null;
  flow_id: string | null;
  run_id: string | null;
  data: JSONColumnType<JsonObject>;
  created_at: InstantNow;
}
export interface DeliveriesTable {
  id: string;
  notice_id: string;
  user_id: string;
  channel: 'webhook' | 'mail';
  status: Generated<'pending' | 'delivered' | 'failed' | 'skipped'>;
  attempts: Generated<number>;
  last_status: number | null;
  last_error: string | null;
  created_at: InstantNow;
  updated_at: InstantNow;
  delivered_at: NullableInstant;
}
export interface GoneReceiversTable {
  url_digest: string;
  gone_at: InstantNow;
}
export interface IdempotencyKeysTable {
  /** Whose API key. */
  owner: string;
  key: string;
  body_digest: string;
  run_id: string;
  created_at: InstantNow;
  /** Null while the run is still being accepted. */
  accepted_at: NullableInstant;
}
export interface WebhookEventsTable {
  /** Composio's `webhook-id`. */
  id: string;
  type: string;
  /** Null once it is settled: what is left only recognises a repetition. */
  account_id: string | null;
  /** Whose account it is, as the event has it: where to look first, never a proof. */
  named_user: string | null;
  received_at: InstantNow;
  tries: Generated<number>;
  settled_at: NullableInstant;
  outcome: WebhookEventOutcome | null;
}
export interface ApiKeysTable {
  id: string;
  name: string;
  scopes: Scope[];
  /** SHA-256. */
  key_hash: Buffer;
  created_at: InstantNow;
  last_used_at: NullableInstant;
}
/** Links and sessions by their SHA-256. */
export interface PortalLinksTable {
  link: Buffer;
  user_id: string;
  session: Buffer;
  used_at: InstantNow;
}
export interface EndedSessionsTable {
  session: Buffer;
  ended_at: InstantNow;
}
/** Only ever added to: the roles may insert and select. */
export interface AuditLogTable {
  id: GeneratedAlways<number>;
  at: InstantNow;
  key_id: string;
  key_name: string | null;
  action: AdminAction;
  /** Ids and statuses. */
  details: JSONColumnType<Readonly<Record<string, string>>>;
  request_id: string;
}
/** Goes with its user. */
export interface AuditLogPeopleTable {
  entry_id: number;
  user_id: string;
  actor: string | null;
}
export interface ErasuresTable {
  id: string;
  status: Generated<'running' | 'completed'>;
  report: JSONColumnType<Partial<ErasureCounts>>;
  started_at: InstantNow;
  finished_at: NullableInstant;
}
