/** GET /v1/connections/{flowId}. */
import { z } from 'zod';
import { listAttempts } from '../../db/attempts.ts';
import { getFlow } from '../../db/flows.ts';
import { asSystem } from '../../db/scope.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { id } from '../schemas/common.ts';
import { flowSchema, toFlowBody } from '../schemas/connection.ts';

export const getFlowRoute = defineRoute({
  method: 'get',
  path: '/v1/connections/{flowId}',
  operationId: 'getConnectionFlow',
  tag: 'Connections',
  summary: 'Read a connection flow',
  scope: 'runs',
  params: z.strictObject({ flowId: id('flow') }),
  responses: { 200: { description: 'The flow.', body: flowSchema } },
  problems: ['not_found'],
  handler: async ({ db, publicUrl }, { params }) => {
    const { flow, last } = await asSystem(db, async (tx) => {
      const found = await getFlow(tx, params.flowId);
      if (!found) throw new ApiProblem('not_found');
      return { flow: found, last: (await listAttempts(tx, found.id))[0] ?? null };
    });
    return { status: 200, body: toFlowBody(flow, last, publicUrl) };
  },
});
