/** GET /v1/runs/{runId}, at once or when the run has ended or waits for someone. */
import { z } from 'zod';
import { defineRoute } from '../define-route.ts';
import { readRunBody } from '../run-view.ts';
import { id } from '../schemas/common.ts';
import { runSchema } from '../schemas/run.ts';
import { parseDuration } from '../../domain/duration.ts';
import { isEndedRunStatus } from '../../domain/statuses.ts';

// As the contract says; proxies cut longer silences.
const MAX_WAIT_MS = 60_000;
const wait = z
  .string()
  .transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== null && ms <= MAX_WAIT_MS) return ms;
    context.addIssue({ code: 'custom', message: 'must be a duration of at most 60s, such as 30s' });
    return z.NEVER;
  })
  .optional()
  .meta({
    description: 'Hold the answer for up to this long (at most 60s) until the run ends or waits for someone.',
    example: '30s',
  });

export const getRunRoute = defineRoute({
  method: 'get',
  path: '/v1/runs/{runId}',
  operationId: 'getRun',
  tag: 'Runs',
  summary: 'Read a run',
  description: 'Arguments and results of tool calls are shown to keys with scope `operator` only.',
  scope: 'runs',
  params: z.strictObject({ runId: id('run') }),
  query: z.strictObject({ wait }),
  responses: { 200: { description: 'The run.', body: runSchema } },
  problems: ['not_found'],
  handler: async (deps, { params, query, principal, signal }) => {
    const body = await readRunBody(deps, params.runId, principal);
    if (query.wait === undefined || isEndedRunStatus(body.status)) return { status: 200, body };
    await deps.runWatch.waitForRun(params.runId, query.wait, signal);
    return { status: 200, body: await readRunBody(deps, params.runId, principal) };
  },
});
