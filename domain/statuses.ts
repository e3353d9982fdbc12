/**
 * The states that things of the product can be in, as constant lists with derived unions.
 * domain/ is the leaf of the project: pure, imports nothing of ours and no I/O.
 */

/** Composio's own states of a connected account, as its v3.1 API spells them. */
export const CONNECTION_STATUSES = [
  'INITIALIZING',
  'INITIATED',
  'ACTIVE',
  'EXPIRED',
  'FAILED',
  'INACTIVE',
  'REVOKED',
] as const;
export type ConnectionStatus = (typeof CONNECTION_STATUSES)[number];

/** An account in one of these has stopped working; only its user can mend it. */
export const BROKEN_STATUSES = [
  'EXPIRED',
  'FAILED',
  'INACTIVE',
  'REVOKED',
] as const satisfies readonly ConnectionStatus[];
export type BrokenStatus = (typeof BROKEN_STATUSES)[number];

export function isBrokenStatus(status: ConnectionStatus): status is BrokenStatus {
  return (BROKEN_STATUSES as readonly ConnectionStatus[]).includes(status);
}

/** Why a run waits for an app. An account that was only INITIATED is `missing`. */
export const GATE_REASONS = ['missing', 'expired', 'failed', 'inactive', 'revoked'] as const;
export type GateReason = (typeof GATE_REASONS)[number];

export const FLOW_STATUSES = ['open', 'completed', 'expired', 'cancelled'] as const;
export type FlowStatus = (typeof FLOW_STATUSES)[number];

/**
 * One click on a connect link. `open`: the user is at the provider; `verified`: the callback proved the browser, the
 * account was not yet seen ACTIVE; `awaiting_confirm`: the integrator's server must say who consented (verifier mode);
 * `accepted`: its account may act; the rest are ends whose account must never act.
 */
export const ATTEMPT_STATUSES = [
  'open',
  'verified',
  'awaiting_confirm',
  'accepted',
  'failed',
  'expired',
  'superseded',
] as const;
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number];

export const RUN_STATUSES = [
  'running',
  'waiting_for_connection',
  'waiting_for_approval',
  'waiting_for_resolution',
  'completed',
  'failed',
  'cancelled',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export const ENDED_RUN_STATUSES = [
  'completed',
  'failed',
  'cancelled',
] as const satisfies readonly RunStatus[];
export type EndedRunStatus = (typeof ENDED_RUN_STATUSES)[number];

export function isEndedRunStatus(status: RunStatus): status is EndedRunStatus {
  return (ENDED_RUN_STATUSES as readonly RunStatus[]).includes(status);
}

export const RUN_ERROR_CODES = [
  'connection_required',
  'connection_timeout',
  'model_error',
  'model_refused',
  'limit_turns',
  'limit_tool_calls',
  'limit_tokens',
  'limit_deadline',
  'workflow_lost',
  'internal',
] as const;
export type RunErrorCode = (typeof RUN_ERROR_CODES)[number];

export const TOOL_CALL_STATUSES = [
  'pending',
  'waiting',
  'started',
  'done',
  'failed',
  'unknown',
  'denied',
] as const;
export type ToolCallStatus = (typeof TOOL_CALL_STATUSES)[number];

/** The ledger's legal transitions. `unknown` leaves only by a person's resolution; `done`, `failed`, `denied` are final. */
export const TOOL_CALL_TRANSITIONS: Readonly<Record<ToolCallStatus, readonly ToolCallStatus[]>> = {
  pending: ['waiting', 'started', 'failed', 'denied'],
  waiting: ['waiting', 'started', 'failed', 'denied'],
  // Back to `pending` or `waiting` only when the request provably had no effect (429, refused connection, no account).
  started: ['started', 'pending', 'waiting', 'done', 'failed', 'unknown'],
  unknown: ['done', 'failed'],
  done: [],
  failed: [],
  denied: [],
};

export const APPROVAL_STATUSES = ['requested', 'approved', 'denied', 'expired'] as const;
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/** What a person found out about a call whose outcome was unknown. */
export const RESOLUTION_OUTCOMES = ['done', 'not_done'] as const;
export type ResolutionOutcome = (typeof RESOLUTION_OUTCOMES)[number];

export const AUDIT_STATUSES = ['running', 'completed', 'failed', 'cancelled'] as const;
export type AuditStatus = (typeof AUDIT_STATUSES)[number];
export const AUDIT_MODES = ['users', 'status'] as const;
export type AuditMode = (typeof AUDIT_MODES)[number];

/**
 * Why an audit could not look at a user: Composio refuses the question, or fails at it, while it answers the same about
 * others; shows accounts without id, owner or app; a list without end; an account that cannot be stored.
 */
export const SKIP_REASONS = ['refused', 'failing', 'malformed', 'endless', 'unstorable'] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

export const RUN_EVENT_TYPES = [
  'run.started',
  'connection.required',
  'connection.completed',
  'model.completed',
  'tool.started',
  'tool.completed',
  'tool.unknown',
  'approval.requested',
  'approval.decided',
  'run.completed',
  'run.failed',
  'run.cancelled',
] as const;
export type RunEventType = (typeof RUN_EVENT_TYPES)[number];

export const NOTICE_TYPES = [
  'connection.expired',
  'connection.completed',
  'run.waiting_for_connection',
  'approval.requested',
  'run.completed',
  'run.failed',
] as const;
export type NoticeType = (typeof NOTICE_TYPES)[number];

/**
 * What became of an event of Composio's webhook. `read`: its user's accounts were read, and whatever they showed is settled;
 * `gone`: Composio has no such account; `foreign`: it belongs to no user of ours; `refused`: Composio refuses to speak of it;
 * `ignored`: of a type that means nothing here; `given_up`: tried for a day in vain, the audit will find what there is.
 */
export const WEBHOOK_EVENT_OUTCOMES = ['read', 'gone', 'foreign', 'refused', 'ignored', 'given_up'] as const;
export type WebhookEventOutcome = (typeof WEBHOOK_EVENT_OUTCOMES)[number];
