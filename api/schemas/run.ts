/** Runs, as the API takes and shows them. */
import { z } from 'zod';
import type { Approval } from '../../db/approvals.ts';
import type { Run } from '../../db/runs.ts';
import type { ToolCall } from '../../db/transcript.ts';
import type { Waiting } from '../../db/waiters.ts';
import { gateMessage } from '../../domain/gate.ts';
import { DEFAULT_LIMITS, MAX_LIMITS } from '../../domain/limits.ts';
import {
  APPROVAL_STATUSES,
  GATE_REASONS,
  RESOLUTION_OUTCOMES,
  RUN_ERROR_CODES,
  RUN_STATUSES,
  TOOL_CALL_STATUSES,
} from '../../domain/statuses.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import {
  duration,
  metadata,
  newUserId,
  shortText,
  storedMetadata,
  time,
  toTime,
  toTimeOrNull,
  toolSlug,
} from './common.ts';

/** The contract's, in bytes of UTF-8. */
const TASK_LIMIT_BYTES = 64 * 1024;
const text = z
  .string()
  .min(1)
  .refine((value) => value.trim() !== '', 'must not be blank')
  .refine((value) => Buffer.byteLength(value) <= TASK_LIMIT_BYTES, 'must be at most 64 kB of UTF-8');
const atMost = (most: number, usual: number) => z.int().min(1).max(most).default(usual);

export const newRunSchema = z
  .strictObject({
    userId: newUserId,
    task: text.meta({
      description: 'What the agent should do, at most 64 kB.',
      example: 'Post "hello" to #general on Slack.',
    }),
    tools: z
      .array(toolSlug)
      .min(1)
      .max(50)
      .refine((tools) => new Set(tools).size === tools.length, 'must be unique')
      .meta({
        uniqueItems: true,
        description: 'The tools that the agent may use, 1 to 50.',
        example: ['SLACK_SEND_MESSAGE'],
      }),
    instructions: text.optional().meta({ description: 'How the agent should behave, beside the task.' }),
    model: shortText(200).optional().meta({ description: 'Model to use. Default: OPENAI_MODEL.' }),
    threadId: shortText(200)
      .optional()
      .meta({ description: 'Runs of one thread share a transcript. Made when not given.' }),
    onMissingConnection: z.enum(['wait', 'fail']).default('wait'),
    connectTimeout: duration({ max: '90d', example: '7d' })
      .optional()
      .meta({ description: 'How long to wait for a connection. Default: CONNECT_TIMEOUT.', example: '7d' }),
    approvals: z
      .strictObject({
        require: z.union([z.enum(['none', 'writes']), z.array(toolSlug).min(1).max(50)]).default('none'),
        timeout: duration({ max: '90d', example: '24h' })
          .default(86_400_000)
          .meta({ description: 'Not decided in this time: denied. Default 24h.' }),
      })
      .optional()
      .meta({
        description:
          'Which calls a person must allow first: none, all writes, or those of the tools named. Bound to tool, arguments and account.',
      }),
    onUnknownOutcome: z.enum(['continue', 'wait']).default('continue').meta({
      description:
        'When nobody can know whether a write took effect: tell the model and go on, or wait until a person has resolved it.',
    }),
    limits: z
      .strictObject({
        maxTurns: atMost(MAX_LIMITS.maxTurns, DEFAULT_LIMITS.maxTurns),
        maxToolCalls: atMost(MAX_LIMITS.maxToolCalls, DEFAULT_LIMITS.maxToolCalls),
        maxTokens: atMost(MAX_LIMITS.maxTokens, DEFAULT_LIMITS.maxTokens),
        deadline: duration({ max: '24h', example: '30m' }).default(DEFAULT_LIMITS.deadlineMs).meta({
          default: '30m',
          description: 'Active time only: waiting for people does not count. At most 24h. Default 30m.',
        }),
      })
      .optional(),
    metadata: metadata.optional(),
  })
  .meta({ id: 'NewRun' });
export type NewRunBody = z.output<typeof newRunSchema>;

const waitingFor = z
  .strictObject({
    app: z.string(),
    reason: z.enum(GATE_REASONS),
    connectUrl: z.string().meta({ description: 'Show it to the user. Stable while the flow is open.' }),
    message: z.string().meta({ description: 'What to tell the user.' }),
  })
  .meta({ id: 'WaitingFor' });

const toolCallSchema = z
  .strictObject({
    id: z.string(),
    tool: z.string(),
    app: z.string().nullable(),
    accountId: z.string().nullable(),
    status: z.enum(TOOL_CALL_STATUSES),
    attempts: z.int(),
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    arguments: z
      .unknown()
      .optional()
      .meta({ description: 'With scope `operator`. A string when the model wrote no JSON.' }),
    result: z.unknown().optional().meta({ description: 'With scope `operator`.' }),
    editedArguments: z
      .unknown()
      .optional()
      .meta({ description: 'With scope `operator`: what an approver made of them; it is what runs.' }),
    approval: z
      .strictObject({
        status: z.enum(APPROVAL_STATUSES),
        requestedAt: time,
        expiresAt: time,
        decidedAt: time.nullable(),
      })
      .optional()
      .meta({ description: 'Where the call needs one.' }),
    resolution: z
      .enum(RESOLUTION_OUTCOMES)
      .optional()
      .meta({ description: 'A person’s word on an outcome that was unknown.' }),
  })
  .meta({ id: 'ToolCall' });

export const runSchema = z
  .strictObject({
    id: z.string(),
    userId: z.string(),
    threadId: z.string(),
    status: z.enum(RUN_STATUSES),
    task: z.string(),
    apps: z.array(z.string()).meta({ description: 'Known once the run has begun.' }),
    tools: z.array(z.string()),
    waitingFor: z.array(waitingFor),
    output: z.string().nullable(),
    error: z.strictObject({ code: z.enum(RUN_ERROR_CODES), message: z.string() }).nullable(),
    usage: z.strictObject({
      modelCalls: z.int(),
      toolCalls: z.int(),
      inputTokens: z.int(),
      outputTokens: z.int(),
    }),
    toolCalls: z.array(toolCallSchema),
    metadata: storedMetadata,
    workflowId: z.string(),
    createdAt: time,
    updatedAt: time,
    finishedAt: time.nullable(),
  })
  .meta({ id: 'Run' });
export type RunBody = z.input<typeof runSchema>;

/** Everything a run's body is made of, read in one transaction. */
export type RunView = {
  readonly run: Run;
  readonly waiting: readonly Waiting[];
  readonly toolCalls: readonly ToolCall[];
  /** The newest asking per call id. */
  readonly approvals: ReadonlyMap<string, Approval>;
};

export function toRunBody(view: RunView, options: { publicUrl: string; withContent: boolean }): RunBody {
  const { run } = view;
  return {
    id: run.id,
    userId: run.userId,
    threadId: run.threadId,
    status: run.status,
    task: run.task,
    apps: [...run.apps],
    tools: [...run.tools],
    waitingFor: view.waiting.map((w) => ({
      app: w.app,
      reason: w.reason,
      connectUrl: connectUrl(options.publicUrl, w.token),
      message: gateMessage(w.reason, w.appName),
    })),
    output: run.output,
    error: run.error,
    usage: { ...run.usage },
    toolCalls: view.toolCalls.map((call) =>
      toToolCallBody(call, view.approvals.get(call.id), options.withContent),
    ),
    metadata: { ...run.metadata },
    workflowId: runWorkflowId(run.id),
    createdAt: toTime(run.createdAt),
    updatedAt: toTime(run.updatedAt),
    finishedAt: toTimeOrNull(run.finishedAt),
  };
}

function toToolCallBody(
  call: ToolCall,
  approval: Approval | undefined,
  withContent: boolean,
): RunBody['toolCalls'][number] {
  return {
    id: call.id,
    tool: call.tool,
    app: call.app,
    accountId: call.accountId,
    status: call.status,
    attempts: call.attempts,
    startedAt: toTimeOrNull(call.startedAt),
    finishedAt: toTimeOrNull(call.finishedAt),
    ...(withContent ? { arguments: parseOr(call.arguments), result: call.result ?? call.error } : {}),
    ...(withContent && call.editedArguments !== null
      ? { editedArguments: parseOr(call.editedArguments) }
      : {}),
    ...(approval === undefined
      ? {}
      : {
          approval: {
            status: approval.status,
            requestedAt: toTime(approval.requestedAt),
            expiresAt: toTime(approval.expiresAt),
            decidedAt: toTimeOrNull(approval.decidedAt),
          },
        }),
    ...(call.resolution === null ? {} : { resolution: call.resolution }),
  };
}

function parseOr(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

export function connectUrl(publicUrl: string, token: string): string {
  return `${publicUrl}/connect/${token}`;
}
