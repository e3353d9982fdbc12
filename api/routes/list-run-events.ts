/**
 * GET /v1/runs/{runId}/events: what happened, numbered from 1 without gaps, as a list or as a stream that goes on until the
 * run's last event. No content, only ids, names and statuses.
 */
import { z } from 'zod';
import { listEvents } from '../../db/events.ts';
import { getRun, type Run } from '../../db/runs.ts';
import { asSystem } from '../../db/scope.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import type { ApiDeps } from '../deps.ts';
import { toEventBody } from '../event-frames.ts';
import { ApiProblem, invalid, unavailable } from '../problem-codes.ts';
import { id, pageOf, pageQuery } from '../schemas/common.ts';
import { runEventSchema } from '../schemas/run-event.ts';

const STREAM = 'text/event-stream';
// A media type with a parameter is asked for by that very parameter.
const MEDIA_TYPES = ['application/json', STREAM, `${STREAM};charset=utf-8`];
const STREAM_TEXT =
  'Server-sent events: `id` is `seq`, `event` is `type`, `data` is a RunEvent. Comments keep the connection alive. The stream ends after `run.completed`, `run.failed` or `run.cancelled`.';

const headers = z.strictObject({
  'last-event-id': z
    .string()
    .regex(/^(0|[1-9]\d{0,8})?$/, 'must be the id of an event of this run')
    .optional()
    .meta({ description: 'Streams: the last event that was received; the stream goes on after it.' }),
});

export const listRunEventsRoute = defineRoute({
  method: 'get',
  path: '/v1/runs/{runId}/events',
  operationId: 'listRunEvents',
  tag: 'Runs',
  summary: 'List or follow the events of a run',
  description:
    '`Accept: text/event-stream` follows the run: all events so far, then each as it happens. Otherwise a page of a list; only that takes `limit` and `cursor`.',
  scope: 'runs',
  params: z.strictObject({ runId: id('run') }),
  query: pageQuery,
  headers,
  responses: {
    200: { description: 'Events, in order.', body: pageOf(runEventSchema), stream: STREAM_TEXT },
  },
  problems: ['not_found'],
  handler: async ({ db, eventStreams }, { params: { runId }, query, headers, prefers }) => {
    if (prefers(MEDIA_TYPES)?.startsWith(STREAM)) {
      const after = Number(headers['last-event-id'] ?? 0);
      const run = await asSystem(db, (tx) => getRun(tx, runId));
      if (!run) throw new ApiProblem('not_found');
      refuseStream(eventStreams, run, after);
      return {
        status: 200,
        userId: run.userId,
        stream: (sink) => eventStreams.follow({ runId, after }, sink),
      };
    }
    const list = `events:${runId}`;
    const after = Number(decodeCursor(list, ['number'], query.cursor)?.[0] ?? 0);
    const { rows, userId } = await asSystem(db, async (tx) => {
      const run = await getRun(tx, runId);
      if (!run) throw new ApiProblem('not_found');
      return { rows: await listEvents(tx, runId, { after, limit: query.limit + 1 }), userId: run.userId };
    });
    const page = toPage(list, rows, query.limit, (event) => [String(event.seq)]);
    return { status: 200, userId, body: { items: page.items.map(toEventBody), nextCursor: page.nextCursor } };
  },
});

/** Going on after an event that the run has not come to would leave out, without a word, those that lie between. */
function refuseStream(streams: ApiDeps['eventStreams'], run: Run, after: number): void {
  if (after > run.lastEventSeq) {
    throw invalid('header/last-event-id', `is beyond this run's newest event, ${run.lastEventSeq}`);
  }
  if (streams.isFull()) throw unavailable('This process has no room for another event stream.');
}
