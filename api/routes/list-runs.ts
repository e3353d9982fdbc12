/** GET /v1/runs: newest first, without the content of tool calls, of one user or in one state when asked. */
import { z } from 'zod';
import { listRuns } from '../../db/runs.ts';
import { asSystem } from '../../db/scope.ts';
import { RUN_STATUSES } from '../../domain/statuses.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { viewRuns } from '../run-view.ts';
import { pageOf, pageQuery, userIdInQuery } from '../schemas/common.ts';
import { runSchema, toRunBody } from '../schemas/run.ts';

export const listRunsRoute = defineRoute({
  method: 'get',
  path: '/v1/runs',
  operationId: 'listRuns',
  tag: 'Runs',
  summary: 'List runs',
  description: 'Without arguments and results of tool calls, which can be large: read the run for those.',
  scope: 'runs',
  query: pageQuery.extend({ userId: userIdInQuery.optional(), status: z.enum(RUN_STATUSES).optional() }),
  responses: { 200: { description: 'A page of runs, newest first.', body: pageOf(runSchema) } },
  handler: async ({ db, publicUrl }, { query }) => {
    const key = decodeCursor('runs', ['time', 'id'], query.cursor);
    const { rows, views } = await asSystem(db, async (tx) => {
      const found = await listRuns(tx, {
        ...(query.userId === undefined ? {} : { userId: query.userId }),
        ...(query.status === undefined ? {} : { status: query.status }),
        before: key ? { createdAt: key[0] ?? '', id: key[1] ?? '' } : null,
        limit: query.limit + 1,
      });
      const shown = found.slice(0, query.limit).map((row) => row.run);
      return { rows: found, views: await viewRuns(tx, shown, { withContent: false }) };
    });
    const { nextCursor } = toPage('runs', rows, query.limit, (row) => [row.createdAtText, row.run.id]);
    const items = views.map((view) => toRunBody(view, { publicUrl, withContent: false }));
    return { status: 200, body: { items, nextCursor } };
  },
});
