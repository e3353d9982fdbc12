/** GET /v1/runs/{runId}/messages: the transcript. What tools were given and answered is for operators, as in the run. */
import { z } from 'zod';
import { getRun } from '../../db/runs.ts';
import { asSystem } from '../../db/scope.ts';
import type { Message, ToolCall } from '../../db/transcript.ts';
import { listMessages, listToolCalls } from '../../db/transcript.ts';
import { TOOL_CALL_STATUSES } from '../../domain/statuses.ts';
import { hasScope } from '../auth.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { id, pageOf, pageQuery, time, toTime } from '../schemas/common.ts';

const messageSchema = z
  .strictObject({
    turn: z.int().meta({ description: '0 is the task; from 1 on, one turn of the model each.' }),
    role: z.enum(['user', 'assistant']),
    content: z.string().nullable(),
    toolCalls: z.array(
      z.strictObject({
        id: z.string(),
        tool: z.string(),
        status: z.enum(TOOL_CALL_STATUSES),
        arguments: z
          .string()
          .optional()
          .meta({ description: 'As the model wrote them. With scope `operator`.' }),
        result: z.unknown().optional().meta({ description: 'With scope `operator`.' }),
      }),
    ),
    at: time,
  })
  .meta({ id: 'Message' });

export const listRunMessagesRoute = defineRoute({
  method: 'get',
  path: '/v1/runs/{runId}/messages',
  operationId: 'listRunMessages',
  tag: 'Runs',
  summary: 'Read the transcript of a run',
  scope: 'runs',
  params: z.strictObject({ runId: id('run') }),
  query: pageQuery,
  responses: { 200: { description: 'A page of messages, in order.', body: pageOf(messageSchema) } },
  problems: ['not_found'],
  handler: async ({ db }, { params, query, principal }) => {
    const list = `messages:${params.runId}`;
    const after = Number(decodeCursor(list, ['number'], query.cursor)?.[0] ?? -1);
    const { run, messages, calls } = await asSystem(db, async (tx) => {
      const run = await getRun(tx, params.runId);
      if (!run) throw new ApiProblem('not_found');
      const messages = await listMessages(tx, params.runId);
      return { run, messages, calls: await listToolCalls(tx, params.runId) };
    });
    // A run has at most 200 turns, so the page is cut here.
    const rest = messages.filter((message) => message.turn > after).slice(0, query.limit + 1);
    const page = toPage(list, rest, query.limit, (message) => [String(message.turn)]);
    const withContent = hasScope(principal, 'operator');
    const items = page.items.map((message) => toMessageBody(message, calls, withContent));
    return { status: 200, userId: run.userId, body: { items, nextCursor: page.nextCursor } };
  },
});

function toMessageBody(
  message: Message,
  calls: readonly ToolCall[],
  withContent: boolean,
): z.input<typeof messageSchema> {
  return {
    turn: message.turn,
    role: message.role,
    content: message.content,
    toolCalls: calls
      .filter((call) => message.toolCallIds.includes(call.id) && call.turn === message.turn)
      .map((call) => ({
        id: call.id,
        tool: call.tool,
        status: call.status,
        ...(withContent ? { arguments: call.arguments, result: call.result ?? call.error } : {}),
      })),
    at: toTime(message.createdAt),
  };
}
