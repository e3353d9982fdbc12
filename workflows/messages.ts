/**
 * Names and types of what workflows receive and return. Safe to import from clients: nothing here runs in a workflow.
 * Everything carries ids, names, statuses and counts; content stays in PostgreSQL. A signal is a hint: whoever gets it
 * reads the truth again (from Composio or the database) before it acts.
 */
import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type {
  AuditMode,
  AuditStatus,
  FlowStatus,
  GateReason,
  RunErrorCode,
  RunStatus,
} from '../domain/statuses.ts';

/** Workflow types, and how their ids are made. */
export const AGENT_RUN = 'agentRun';
export const CONNECT_ACCOUNT = 'connectAccount';
export const AUDIT_CONNECTIONS = 'auditConnections';
export const DELIVER_NOTICE = 'deliverNotice';
export const SWEEP = 'sweep';
export const AUDIT_SCHEDULE_ID = 'connection-audit';
export const SWEEP_SCHEDULE_ID = 'sweep';

/** Search attributes, for filters in the Temporal UI. Set at the start, and only where the namespace has them. */
export const USER_ATTRIBUTE = defineSearchAttributeKey('BellhopUserId', SearchAttributeType.KEYWORD);
export const STATUS_ATTRIBUTE = defineSearchAttributeKey('BellhopStatus', SearchAttributeType.KEYWORD);
export const APPS_ATTRIBUTE = defineSearchAttributeKey('BellhopApps', SearchAttributeType.KEYWORD_LIST);

/**
 * Given with every start. A workflow task whose worker died is given to another one after this. A task takes milliseconds,
 * the replay of a long run under load a second; the server's default is 10 s.
 */
export const WORKFLOW_TASK_TIMEOUT = '4 seconds';

export const runWorkflowId = (runId: string): string => `run-${runId}`;
export const flowWorkflowId = (flowId: string): string => `connect-${flowId}`;
export const auditWorkflowId = (auditId: string): string => `audit-${auditId}`;
export const noticeWorkflowId = (noticeId: string): string => `notice-${noticeId}`;

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

export type ConnectAccountInput = { readonly flowId: string; readonly userId: string; readonly app: string };
export type ConnectAccountResult = { readonly status: FlowStatus };

/** Without `auditId` (the Schedule), the audit makes its own row under the workflow's run id. */
export type AuditInput = { readonly auditId?: string; readonly mode: AuditMode };
export type AuditResult = {
  readonly status: AuditStatus;
  readonly usersScanned: number;
  readonly broken: number;
  readonly notified: number;
  readonly skipped: number;
};

export type DeliverNoticeInput = { readonly noticeId: string; readonly userId: string };

/** Sent to `agentRun` and `connectAccount`: an account of `app` may have become usable. */
export const connectionCompletedSignal = defineSignal<[{ app: string }]>('connection-completed');
/** Sent to `agentRun`: a person has decided on a tool call (an approval, or what became of an unknown outcome). */
export const callDecidedSignal = defineSignal<[{ callId: string }]>('call-decided');
/** Sent to `agentRun`: its user may have a place for it. */
export const runAdmittedSignal = defineSignal('run-admitted');
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
