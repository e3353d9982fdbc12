/** GET /v1/runs/{runId}/events: what happened, numbered from 1 without gaps. No content, only ids, names and statuses. */
import { z } from 'zod';
import { listEvents } from '../../db/events.ts';
import { getRun } from '../../db/runs.ts';
import { asSystem } from '../../db/scope.ts';
import { RUN_EVENT_TYPES } from '../../domain/statuses.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem } from '../problem-codes.ts';
import { id, pageOf, pageQuery, time, toTime } from '../schemas/common.ts';

const eventSchema = z
  .looseObject({
    seq: z.int().meta({ description: "The run's own sequence number, from 1 without gaps." }),
    type: z.enum(RUN_EVENT_TYPES),
    at: time,
    runId: z.string(),
  })
  .meta({ id: 'RunEvent', description: 'Besides these members: ids, names and statuses of what it tells.' });

export const listRunEventsRoute = defineRoute({
  method: 'get',
  path: '/v1/runs/{runId}/events',
  operationId: 'listRunEvents',
  tag: 'Runs',
  summary: 'List the events of a run',
  scope: 'runs',
  params: z.strictObject({ runId: id('run') }),
  query: pageQuery,
  responses: { 200: { description: 'A page of events, in order.', body: pageOf(eventSchema) } },
  problems: ['not_found'],
  handler: async ({ db }, { params, query }) => {
    const list = `events:${params.runId}`;
    const after = Number(decodeCursor(list, 1, query.cursor)?.[0] ?? 0);
    const rows = await asSystem(db, async (tx) => {
      if (!(await getRun(tx, params.runId))) throw new ApiProblem('not_found');
      return listEvents(tx, params.runId, { after, limit: query.limit + 1 });
    });
    const page = toPage(list, rows, query.limit, (event) => [String(event.seq)]);
    const items = page.items.map((event) => ({
      ...event.data,
      seq: event.seq,
      type: event.type,
      at: toTime(event.at),
      runId: event.runId,
    }));
    return { status: 200, body: { items, nextCursor: page.nextCursor } };
  },
});
