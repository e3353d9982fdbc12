/** POST /v1/runs: accepts a run and answers with it, its connection check included. */
import { z } from 'zod';
import { acceptNewRun } from '../accept-new-run.ts';
import { defineRoute } from '../define-route.ts';
import { readRunBody } from '../run-view.ts';
import { newRunSchema, runSchema } from '../schemas/run.ts';

const headers = z.strictObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable ASCII characters')
    .optional()
    .meta({ description: 'The same key and body give the same run, for 24 hours, per API key.' }),
  prefer: z
    .string()
    .max(1_000)
    .optional()
    .meta({ description: '`respond-async`: do not wait for the connection check.' }),
});

export const postRunRoute = defineRoute({
  method: 'post',
  path: '/v1/runs',
  operationId: 'createRun',
  tag: 'Runs',
  summary: 'Start a run',
  description:
    'Starts an agent run for a user. The answer comes after the connection check (5 s at most): `running`; `waiting_for_connection` with `waitingFor`, when an app is not connected; or, with `onMissingConnection: "fail"`, `failed` with `connection_required`.',
  scope: 'runs',
  headers,
  body: newRunSchema,
  responses: {
    200: {
      description: 'The Idempotency-Key and the body were seen before: the run as it is now.',
      body: runSchema,
      headers: { 'Idempotent-Replayed': '`true`.' },
    },
    202: { description: 'The run is accepted.', body: runSchema },
  },
  problems: [
    'user_unknown',
    'user_erasing',
    'tool_unknown',
    'thread_busy',
    'idempotency_in_progress',
    'idempotency_key_reused',
  ],
  handler: async (deps, request) => {
    const { runId, isReplay } = await acceptNewRun(deps, {
      body: request.body,
      idempotencyKey: request.headers['idempotency-key'],
      waitForCheck: !/(^|[,\s])respond-async($|[,;\s])/i.test(request.headers.prefer ?? ''),
      principal: request.principal,
      log: request.log,
    });
    const body = await readRunBody(deps, runId, request.principal);
    return isReplay
      ? { status: 200, body, headers: { 'idempotent-replayed': 'true' } }
      : { status: 202, body };
  },
});
