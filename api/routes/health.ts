/** GET /healthz and /readyz: for probes, without a key, without detail that would help a stranger. */
import { z } from 'zod';
import { defineRoute } from '../define-route.ts';

const part = z.enum(['up', 'down']);
const readiness = z
  .strictObject({
    ready: z.boolean(),
    postgres: part,
    temporal: part,
    composio: z
      .enum(['up', 'down', 'unknown'])
      .meta({ description: 'Its last answer. Does not decide readiness.' }),
  })
  .meta({ id: 'Readiness' });

export const healthzRoute = defineRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'getHealth',
  tag: 'Health',
  summary: 'Whether the process is alive',
  scope: null,
  responses: {
    200: {
      description: 'Alive.',
      body: z.strictObject({ status: z.string().meta({ example: 'ok' }) }).meta({ id: 'Health' }),
    },
  },
  handler: async () => ({ status: 200, body: { status: 'ok' } }),
});

export const readyzRoute = defineRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'getReadiness',
  tag: 'Health',
  summary: 'Whether the process can do its work',
  scope: null,
  responses: {
    200: { description: 'PostgreSQL and Temporal answer.', body: readiness },
    503: { description: 'One of them does not, or the process is stopping.', body: readiness },
  },
  handler: async ({ readiness: check }) => {
    const report = await check.check();
    return report.ready ? { status: 200, body: report } : { status: 503, body: report };
  },
});
