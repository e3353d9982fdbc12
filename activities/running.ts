/** What every activity shares: heartbeats while it works, an abort signal for its requests, its errors mapped. */
import { CancelledFailure, Context } from '@temporalio/activity';
import { ComposioFailure } from '../composio/failure.ts';
import { ModelFailure } from '../model/failure.ts';
import { toFailure } from './failures.ts';

/** A quarter of the shortest heartbeat timeout in workflows/policies.ts (4 s): two may be lost, or late by almost 3 s. */
const HEARTBEAT_INTERVAL_MS = 1_000;

/** Runs `work` with heartbeats, and turns whatever it throws into the failure that Temporal should see. */
export async function running<T>(
  work: (context: Context) => Promise<T>,
  details?: () => unknown,
): Promise<T> {
  const context = Context.current();
  const badBefore = readBadAnswers(context.info.heartbeatDetails);
  const beat = setInterval(
    () => context.heartbeat(details ? details() : { badAnswers: badBefore }),
    HEARTBEAT_INTERVAL_MS,
  );
  try {
    return await work(context);
  } catch (error) {
    if (context.cancellationSignal.aborted && isAbort(error)) throw new CancelledFailure('cancelled');
    context.log.warn('activity attempt failed', describe(error));
    const badAnswers = error instanceof ModelFailure && error.kind === 'bad_answer' ? badBefore + 1 : 0;
    // What one attempt leaves to the next: attempts alone would count an outage's among them.
    if (badAnswers !== badBefore) context.heartbeat({ badAnswers });
    throw toFailure(error, badAnswers);
  } finally {
    clearInterval(beat);
  }
}

/** The same for a local activity, which is over before a heartbeat is due. */
export async function inTask<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    Context.current().log.warn('local activity attempt failed', describe(error));
    throw toFailure(error);
  }
}

/** How many bad answers in a row the attempts before this one had. */
function readBadAnswers(details: unknown): number {
  const count = (details as { badAnswers?: unknown } | null | undefined)?.badAnswers;
  return typeof count === 'number' ? count : 0;
}

/** For the log. Texts only of errors whose makers keep content out of them; PostgreSQL keeps it in `detail`. */
function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error };
  if (error instanceof ComposioFailure) {
    // Its message is the model's to read: it quotes what Composio, and through it the provider, answered.
    const { name, kind, outcome, httpStatus, code, requestId } = error;
    return { error: name, kind, outcome, httpStatus, code, requestId };
  }
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  const speaks = error instanceof ModelFailure || typeof severity === 'string';
  return {
    error: error.name,
    ...(code === undefined ? {} : { code }),
    ...(speaks ? { message: error.message } : {}),
  };
}

function isAbort(error: unknown): boolean {
  return error instanceof CancelledFailure || (error instanceof Error && error.name === 'AbortError');
}
