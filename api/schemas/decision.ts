/** A person's decisions on tool calls: approvals, and resolutions of unknown outcomes. */
import { z } from 'zod';
import type { Approval } from '../../db/approvals.ts';
import type { ToolCall } from '../../db/transcript.ts';
import { APPROVAL_STATUSES, RESOLUTION_OUTCOMES, TOOL_CALL_STATUSES } from '../../domain/statuses.ts';
import { shortText, time, toTime, toTimeOrNull } from './common.ts';

const person = shortText(200);
const reason = shortText(2_000);

export const approvalDecisionSchema = z
  .strictObject({
    decision: z.enum(['approve', 'deny']),
    approver: person.meta({
      description: 'Who decides, as the integrator knows them.',
      example: 'dana@acme.test',
    }),
    reason: reason.optional().meta({ description: 'Told to the model with a denial.' }),
    arguments: z.record(z.string(), z.unknown()).optional().meta({
      type: 'object',
      description: 'With `approve`: what to run instead. Kept beside the original.',
    }),
  })
  .refine((body) => body.decision === 'approve' || body.arguments === undefined, {
    path: ['arguments'],
    message: 'are for an approval only',
  })
  .meta({ id: 'ApprovalDecision' });

export const approvalSchema = z
  .strictObject({
    runId: z.string(),
    toolCallId: z.string(),
    tool: z.string(),
    status: z.enum(APPROVAL_STATUSES),
    digest: z.string().meta({
      description: 'SHA-256 of tool, canonical arguments and account: what may run, and nothing else.',
    }),
    accountId: z.string().nullable(),
    approver: z.string().nullable(),
    reason: z.string().nullable(),
    requestedAt: time,
    expiresAt: time,
    decidedAt: time.nullable(),
  })
  .meta({ id: 'Approval' });

export function toApprovalBody(approval: Approval, call: ToolCall): z.input<typeof approvalSchema> {
  return {
    runId: approval.runId,
    toolCallId: approval.callId,
    tool: call.tool,
    status: approval.status,
    digest: approval.digest,
    accountId: approval.accountId,
    approver: approval.approver,
    reason: approval.reason,
    requestedAt: toTime(approval.requestedAt),
    expiresAt: toTime(approval.expiresAt),
    decidedAt: toTimeOrNull(approval.decidedAt),
  };
}

export const resolutionBodySchema = z
  .strictObject({
    outcome: z.enum(RESOLUTION_OUTCOMES).meta({ description: 'Whether the call took effect.' }),
    result: z.unknown().optional().meta({ description: 'With `done`: what the model is told came of it.' }),
    resolver: person.meta({ description: 'Who found out.', example: 'dana@acme.test' }),
  })
  .refine((body) => body.outcome === 'done' || body.result === undefined, {
    path: ['result'],
    message: 'is for `done` only',
  })
  .meta({ id: 'Resolution' });

export const resolvedCallSchema = z
  .strictObject({
    runId: z.string(),
    toolCallId: z.string(),
    tool: z.string(),
    status: z.enum(TOOL_CALL_STATUSES),
    outcome: z.enum(RESOLUTION_OUTCOMES),
    resolver: z.string(),
    resolvedAt: time,
  })
  .meta({ id: 'ResolvedToolCall' });
