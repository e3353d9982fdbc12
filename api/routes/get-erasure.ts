/** GET /v1/erasures/{erasureId}. It outlives the user, and does not say who that was. */
import { z } from 'zod';
import { getErasure } from '../../db/erasures.ts';
import { asSystem } from '../../db/scope.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { id, time, toTime, toTimeOrNull } from '../schemas/common.ts';

const erasureSchema = z
  .strictObject({
    id: z.string(),
    status: z.enum(['running', 'completed']),
    report: z
      .strictObject({
        runs: z.int(),
        flows: z.int(),
        notices: z.int(),
        connections: z.int().meta({ description: 'Accounts deleted at Composio so far.' }),
        connectionsRefused: z
          .int()
          .meta({ description: 'Accounts that Composio refused to delete: look at them there.' }),
        executions: z.int().meta({ description: 'Workflow executions deleted at Temporal so far.' }),
      })
      .meta({ description: 'How much there was, never what.' }),
    startedAt: time,
    finishedAt: time.nullable(),
  })
  .meta({ id: 'Erasure' });

export const getErasureRoute = defineRoute({
  method: 'get',
  path: '/v1/erasures/{erasureId}',
  operationId: 'getErasure',
  tag: 'Users',
  summary: 'Read an erasure',
  scope: 'admin',
  params: z.strictObject({ erasureId: id('erasure') }),
  responses: { 200: { description: 'The erasure.', body: erasureSchema } },
  problems: ['not_found'],
  handler: async ({ db }, { params }) => {
    const erasure = await asSystem(db, (tx) => getErasure(tx, params.erasureId));
    if (!erasure) throw new ApiProblem('not_found');
    return {
      status: 200,
      body: {
        ...erasure,
        report: { ...erasure.report },
        startedAt: toTime(erasure.startedAt),
        finishedAt: toTimeOrNull(erasure.finishedAt),
      },
    };
  },
});
