/** Server-sent events over fetch: EventSource cannot send the header by which the API knows this console's requests. */
import { ApiError, openStream } from './api.ts';
import type { RunEvent } from './types.ts';

/** After a lost connection; each further one waits twice as long. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/**
 * Every event of a run, in order and once, until its last or the abort. Resumes after what came last.
 * @param onState whether the stream is open now.
 */
export async function followRun(
  runId: string,
  handlers: { onEvents: (events: readonly RunEvent[]) => void; onState: (isOpen: boolean) => void },
  signal: AbortSignal,
): Promise<void> {
  let last = 0;
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const answer = await openStream(`/v1/runs/${encodeURIComponent(runId)}/events`, last, signal);
      handlers.onState(true);
      for await (const events of readEvents(answer)) {
        waitMs = FIRST_WAIT_MS;
        last = events.at(-1)?.seq ?? last;
        handlers.onEvents(events);
        if (events.some(isLast)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      // Not there, or not allowed: asking again changes nothing.
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429)
        return;
    }
    if (signal.aborted) return;
    handlers.onState(false);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
  }
}

const isLast = ({ type }: RunEvent): boolean =>
  ['run.completed', 'run.failed', 'run.cancelled'].includes(type);

/** The events of each piece that arrives, together: a long run's first two thousand are a few renders, not two thousand. */
async function* readEvents(answer: Response): AsyncGenerator<readonly RunEvent[]> {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split('\n\n');
    rest = frames.pop() ?? '';
    const events = frames.flatMap((frame) => {
      const data = frame.split('\n').find((line) => line.startsWith('data:'));
      return data === undefined ? [] : [JSON.parse(data.slice(5)) as RunEvent];
    });
    if (events.length > 0) yield events;
  }
}
