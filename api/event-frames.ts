/** Events as JSON bodies and as frames of a stream (server-sent events). */
import type { RunEvent } from '../db/events.ts';
import { isEndedRunStatus, type RunStatus } from '../domain/statuses.ts';
import { toTime } from './schemas/common.ts';
import type { RunEventBody } from './schemas/run-event.ts';

/** A client that lost its stream is back soon: the events are there, and a reconnect costs one read. */
const RETRY_MS = 1_000;
/** The run has ended and nothing will come: a client that comes back by itself should do so rarely. */
const RETRY_AFTER_END_MS = 3_600_000;
/** A comment, which clients skip. */
export const HEARTBEAT = ': \n\n';

/** The fixed members first; nothing in the event's own data can take their place. */
export function toEventBody({ seq, type, at, runId, data }: RunEvent): RunEventBody {
  const fixed = { seq, type, at: toTime(at), runId };
  return { ...fixed, ...data, ...fixed };
}

/** In the block of the first event, so that each block of a stream is an event or a heartbeat. Not for a page with the end. */
export const FIRST_FIELDS = `retry: ${RETRY_MS}\n`;

export function toFrame(event: RunEvent): string {
  const isEnd = event.type.startsWith('run.') && isEndedRunStatus(event.type.slice(4) as RunStatus);
  const retry = isEnd ? `retry: ${RETRY_AFTER_END_MS}\n` : '';
  return `id: ${event.seq}\nevent: ${event.type}\n${retry}data: ${JSON.stringify(toEventBody(event))}\n\n`;
}
