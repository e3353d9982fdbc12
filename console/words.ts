/** What states are called in front of people. One word or two; colours only repeat them. */
export type Tone = 'good' | 'bad' | 'wait' | 'calm';

const RUNS: Readonly<Record<string, readonly [string, Tone]>> = {
  running: ['Running', 'calm'],
  waiting_for_connection: ['Waits for a connection', 'wait'],
  waiting_for_approval: ['Waits for approval', 'wait'],
  waiting_for_resolution: ['Waits for an answer', 'wait'],
  completed: ['Completed', 'good'],
  failed: ['Failed', 'bad'],
  cancelled: ['Cancelled', 'calm'],
};
const CALLS: Readonly<Record<string, readonly [string, Tone]>> = {
  pending: ['Not yet', 'calm'],
  waiting: ['Waits', 'wait'],
  started: ['Running', 'calm'],
  done: ['Done', 'good'],
  failed: ['Failed', 'bad'],
  unknown: ['Outcome unknown', 'bad'],
  denied: ['Denied', 'bad'],
};
const CONNECTIONS: Readonly<Record<string, readonly [string, Tone]>> = {
  ACTIVE: ['Connected', 'good'],
  INITIATED: ['Not finished', 'calm'],
  EXPIRED: ['Expired', 'bad'],
  FAILED: ['Failed', 'bad'],
  INACTIVE: ['Switched off', 'bad'],
  REVOKED: ['Access taken back', 'bad'],
};
const DELIVERIES: Readonly<Record<string, readonly [string, Tone]>> = {
  pending: ['On its way', 'calm'],
  delivered: ['Delivered', 'good'],
  failed: ['Failed', 'bad'],
  skipped: ['Not sent', 'calm'],
};
const KINDS = { run: RUNS, call: CALLS, connection: CONNECTIONS, delivery: DELIVERIES, audit: RUNS } as const;
export type Kind = keyof typeof KINDS;

export function wordsOf(kind: Kind, status: string): readonly [string, Tone] {
  return KINDS[kind][status] ?? [status, 'calm'];
}

const NOTICES: Readonly<Record<string, string>> = {
  'connection.expired': 'A connection stopped working',
  'connection.completed': 'A connection was made',
  'run.waiting_for_connection': 'A run waits for a connection',
  'approval.requested': 'An approval was asked for',
  'run.completed': 'A run completed',
  'run.failed': 'A run failed',
};
export const noticeName = (type: string): string => NOTICES[type] ?? type;

const ERRORS: Readonly<Record<string, string>> = {
  connection_required: 'Send the user the link below, and start the run again once the account is connected.',
  connection_timeout: 'Nobody connected the account in time. Start the run again and tell the user.',
  model_error: 'The model could not be used. Look at the worker’s log, then start the run again.',
  model_refused: 'The model refused the task. Say it differently, or use another model.',
  limit_turns: 'Start it again with a higher limit on turns, or a smaller task.',
  limit_tool_calls: 'Start it again with a higher limit on tool calls, or a smaller task.',
  limit_tokens: 'Start it again with a higher limit on tokens, or a smaller task.',
  limit_deadline: 'Start it again with more time, or a smaller task.',
  workflow_lost: 'Its workflow ended from outside. Look it up in Temporal, then start the run again.',
  internal: 'Look at the worker’s log and at the workflow in Temporal.',
};
/** What to do about a run that failed. */
export const adviceOn = (code: string): string => ERRORS[code] ?? '';

const REASONS: Readonly<Record<string, string>> = {
  missing: 'was never connected',
  expired: 'has expired',
  failed: 'stopped working',
  inactive: 'is switched off',
  revoked: 'was taken back',
};
export const reasonOf = (reason: string): string => REASONS[reason] ?? reason;

/** Slugs of apps are lower case: `googlecalendar`. */
export const appName = (app: string): string => app.charAt(0).toUpperCase() + app.slice(1);

/** `1 run`, `2 runs`; all nouns here take an s. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
