/**
 * Names and types of what workflows receive and return, and how a flow's is started by whoever starts it. Safe to import from
 * clients: nothing here runs in a workflow. Everything carries ids, names, statuses and counts; content stays in PostgreSQL. A
 * signal is a hint: whoever gets it reads the truth again (from Composio or the database) before it acts.
 */
import { type SearchAttributePair, SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { NoticeChannel } from '../domain/notice.ts';
import type {
  AuditMode,
  AuditStatus,
  FlowStatus,
  GateReason,
  RunErrorCode,
  RunStatus,
} from '../domain/statuses.ts';
import { labelFlow } from '../domain/workflow-labels.ts';

/** Workflow types, and how their ids are made. */
export const AGENT_RUN = 'agentRun';
export const CONNECT_ACCOUNT = 'connectAccount';
export const AUDIT_CONNECTIONS = 'auditConnections';
export const DELIVER_NOTICE = 'deliverNotice';
export const SETTLE_WEBHOOK_EVENTS = 'settleWebhookEvents';
export const ERASE_USER = 'eraseUser';
export const RETENTION = 'retention';
export const SWEEP = 'sweep';
export const AUDIT_SCHEDULE_ID = 'connection-audit';
export const RETENTION_SCHEDULE_ID = 'retention';
export const SWEEP_SCHEDULE_ID = 'sweep';

/** Search attributes, for filters in the Temporal UI. Set at the start, and only where the namespace has them. */
export const USER_ATTRIBUTE = defineSearchAttributeKey('BellhopUserId', SearchAttributeType.KEYWORD);
export const STATUS_ATTRIBUTE = defineSearchAttributeKey('BellhopStatus', SearchAttributeType.KEYWORD);
export const APPS_ATTRIBUTE = defineSearchAttributeKey('BellhopApps', SearchAttributeType.KEYWORD_LIST);

/** Beside its apps, a run's BellhopApps has this while a call's outcome is unknown. No app's slug has a colon. */
export const UNKNOWN_TAG = 'outcome:unknown';

/** The header of a start, and of each activity, that says which trace it belongs to; OpenTelemetry's interceptors name it so. */
export const TRACE_HEADER = '_tracer-data';
/** Of the input of workflows and activities: what their log lines name. */
export const LOG_IDS = ['runId', 'userId', 'callId', 'flowId', 'noticeId', 'auditId'] as const;

/**
 * Given with every start. A workflow task whose worker died is given to another one after this. A task takes milliseconds,
 * the replay of a long run under load a second; the server's default is 10 s.
 */
export const WORKFLOW_TASK_TIMEOUT = '4 seconds';

export const runWorkflowId = (runId: string): string => `run-${runId}`;
export const flowWorkflowId = (flowId: string): string => `connect-${flowId}`;
export const auditWorkflowId = (auditId: string): string => `audit-${auditId}`;
/** A notice's delivery by mail is a workflow beside the one to the integrator: neither waits for the other. */
export const noticeWorkflowId = (noticeId: string, channel: NoticeChannel = 'webhook'): string =>
  channel === 'webhook' ? `notice-${noticeId}` : `notice-${noticeId}-${channel}`;

/** Attempts to deliver have a queue of their own: a receiver that hangs must not take the places of runs. */
export const noticesTaskQueue = (taskQueue: string): string => `${taskQueue}-notices`;

/** Tool calls and audits have one only where TEMPORAL_SEPARATE_QUEUES says so; then other workers may serve them. */
export const toolsTaskQueue = (taskQueue: string): string => `${taskQueue}-tools`;
export const auditTaskQueue = (taskQueue: string): string => `${taskQueue}-audit`;
/** The queue of runs and flows, told from any of the above: whatever an activity starts belongs there. */
export const mainTaskQueue = (taskQueue: string): string => taskQueue.replace(/-(tools|audit|notices)$/, '');
export const eraseWorkflowId = (erasureId: string): string => `erase-${erasureId}`;

/** One at a time for all that share a task queue. */
export const webhookEventsWorkflowId = (taskQueue: string): string => `webhook-events-${taskQueue}`;

/** `userId` is the row's; the activities refuse a pair that does not belong together. */
export type AgentRunInput = {
  readonly runId: string;
  readonly userId: string;
  readonly resume?: AgentRunProgress;
};
/** What survives continue-as-new; the rest is in rows. `activeMs` is time spent not waiting for people. */
export type AgentRunProgress = {
  readonly turn: number;
  readonly toolCalls: number;
  readonly tokens: number;
  readonly activeMs: number;
};
export type AgentRunResult = { readonly status: RunStatus; readonly error?: RunErrorCode };

export type ConnectAccountInput = {
  readonly flowId: string;
  readonly userId: string;
  readonly app: string;
  /**
   * Milliseconds since 1970: who opened the flow had just seen that no account works, so until then there is nothing to look at
   * before somebody says so. A thousand runs that park at once are a thousand looks less.
   */
  readonly quietUntil?: number;
};
export type ConnectAccountResult = { readonly status: FlowStatus };

/** What every start of a flow's workflow has, whoever starts it. `quietUntil`: see the input. */
export function flowStart(
  { id: flowId, userId, app }: { readonly id: string; readonly userId: string; readonly app: string },
  taskQueue: string,
  quietUntil?: number,
) {
  const input: ConnectAccountInput = {
    flowId,
    userId,
    app,
    ...(quietUntil === undefined ? {} : { quietUntil }),
  };
  const typedSearchAttributes: SearchAttributePair[] = [
    { key: USER_ATTRIBUTE, value: userId },
    { key: APPS_ATTRIBUTE, value: [app] },
  ];
  return {
    workflowId: flowWorkflowId(flowId),
    taskQueue,
    args: [input] as [ConnectAccountInput],
    typedSearchAttributes,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    ...labelFlow({ id: flowId, userId, app }),
  };
}

/** Without `auditId` (the Schedule), the audit makes its own row under the workflow's run id. */
export type AuditInput = { readonly auditId?: string; readonly mode: AuditMode };
export type AuditResult = {
  readonly status: AuditStatus;
  readonly usersScanned: number;
  readonly broken: number;
  readonly notified: number;
  readonly skipped: number;
};
/** Between two steps: what the audit has counted so far. */
export type AuditProgress = Omit<AuditResult, 'status'> & { readonly isLast: boolean };

/** Not the user: this stands in history, which outlives them. */
export type EraseUserInput = { readonly erasureId: string };

/** Without `channel`: to the integrator. */
export type DeliverNoticeInput = {
  readonly noticeId: string;
  readonly userId: string;
  readonly channel?: NoticeChannel;
};

/** Sent to `agentRun` and `connectAccount`: an account of `app` may have become usable. */
export const connectionCompletedSignal = defineSignal<[{ app: string }]>('connection-completed');
/** Sent to `agentRun`: a person has decided on a tool call (an approval, or what became of an unknown outcome). */
export const callDecidedSignal = defineSignal<[{ callId: string }]>('call-decided');
/** Sent to `agentRun`: its user may have a place for it. */
export const runAdmittedSignal = defineSignal('run-admitted');
/** Sent to `deliverNotice`: an operator wants it tried now, and the schedule anew. */
export const deliveryRetrySignal = defineSignal('delivery-retry');
/** Sent to `settleWebhookEvents`: there is a row to look into. */
export const webhookEventArrivedSignal = defineSignal('webhook-event-arrived');
/** Sent to `connectAccount`: somebody clicked, so an account exists that can be polled for a while. */
export const attemptOpenedSignal = defineSignal('attempt-opened');

export type WaitingApp = { readonly app: string; readonly reason: GateReason; readonly flowId: string };
export type ConnectionCheck = { readonly status: RunStatus; readonly waitingFor: readonly WaitingApp[] };
/** Sent with the start of `agentRun`: answers when the connection check is done. */
export const connectionCheckUpdate = defineUpdate<ConnectionCheck>('connection-check');

export type RunProgressView = AgentRunProgress & {
  readonly status: RunStatus;
  readonly waitingFor: readonly WaitingApp[];
};
export const progressQuery = defineQuery<RunProgressView>('progress');
