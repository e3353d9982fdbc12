/** Faults of processes: whom a kill, a freeze or a deploy meets, and when. Which one comes when is the schedule's business. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';
import type { Supervised } from './supervised.ts';

/** How a fault that began is ended; `part` is whom it met. Null: it could not begin. */
export type Begun = {
  readonly part?: string;
  readonly forMs?: number;
  readonly end?: () => Promise<void> | void;
};
export type State = {
  readonly busy: Set<string>;
  /** Fault rules of the Composio sandbox that are still on. */
  readonly rules: Set<string>;
  readonly signal: AbortSignal;
};

const partsOf = (stage: Stage, part: 'worker' | 'api'): readonly Supervised[] =>
  part === 'worker' ? stage.workers : stage.apis;

export async function kill(
  stage: Stage,
  state: State,
  fault: Fault & { kind: 'kill' },
): Promise<Begun | null> {
  const { part, isAimed } = fault;
  const aim = `aim at ${part}`;
  // Of several that wait for the same effect one is enough.
  if (isAimed && state.busy.has(aim)) return null;
  if (isAimed) state.busy.add(aim);
  try {
    const isOurs = part === 'worker' || part === 'api';
    const one = isOurs ? await pickVictim(partsOf(stage, part), fault, state.signal) : undefined;
    if (isAimed) await nextEffect(stage, state.signal);
    if (state.signal.aborted) return null;
    if (part === 'temporal') return stage.temporal.signal('SIGKILL') ? { part } : null;
    // What `pg_ctl stop -m immediate` sends: every session is dropped, the next start recovers from the log.
    if (part === 'postgres') return stage.postgres.signal('SIGQUIT') ? { part } : null;
    return one?.signal('SIGKILL') === true ? { part: one.name } : null;
  } finally {
    if (isAimed) state.busy.delete(aim);
  }
}

/** Whichever worker has the effect on its way is among them, so that each run, however short, meets the doubt it is about. */
export async function blackout(stage: Stage, state: State): Promise<Begun | null> {
  await nextEffect(stage, state.signal);
  if (state.signal.aborted) return null;
  const met = stage.workers.filter((worker) => worker.signal('SIGKILL')).map(({ name }) => name);
  return met.length > 0 ? { part: met.join('+') } : null;
}

export async function freeze(
  stage: Stage,
  state: State,
  fault: Fault & { kind: 'freeze' },
): Promise<Begun | null> {
  // One at a time: with both workers frozen there would only be silence to check.
  if (state.busy.has('freeze')) return null;
  state.busy.add('freeze');
  const worker = await pickVictim(stage.workers, { pick: fault.pick, isRash: false }, state.signal);
  const pid = worker?.pid();
  if (!worker || !worker.signal('SIGSTOP')) {
    state.busy.delete('freeze');
    return null;
  }
  const end = (): void => {
    state.busy.delete('freeze');
    // Unless it was killed meanwhile, and another process has its name.
    if (worker.pid() === pid) worker.signal('SIGCONT');
  };
  return { part: worker.name, forMs: fault.forMs, end };
}

export async function deploy(
  stage: Stage,
  state: State,
  fault: Fault & { kind: 'deploy' },
): Promise<Begun | null> {
  const worker = await pickVictim(stage.workers, { pick: fault.pick, isRash: false }, state.signal);
  return worker?.signal('SIGTERM') === true ? { part: worker.name } : null;
}

/** Longer than this an aimed kill does not wait: then it strikes blindly. */
const AIM_PATIENCE_MS = 60_000;
/** Well within the time between an effect and its answer. */
const AIM_LOOK_MS = 10;

/** Resolves a moment after the journal has grown. */
async function nextEffect(stage: Stage, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + AIM_PATIENCE_MS;
  const { effects } = await stage.composio.state();
  while (Date.now() < deadline && !signal.aborted) {
    if ((await stage.composio.state()).effects > effects) return;
    await sleep(AIM_LOOK_MS);
  }
}

/** On a machine where starts take longer than this, most kills of the schedule meet nobody, and the report says so. */
const VICTIM_PATIENCE_MS = 30_000;
/** Enough for a worker to have something on its way. */
const LIFE_MS = 2_000;
const LOOK_MS = 50;

/**
 * The picked one, or the next in turn, as soon as it has worked for a while and is not the last that works. Rash: at once,
 * whatever is alive.
 */
async function pickVictim(
  parts: readonly Supervised[],
  { pick, isRash }: { pick: number; isRash: boolean },
  signal: AbortSignal,
): Promise<Supervised | undefined> {
  const first = Math.floor(pick * parts.length);
  const inTurn = [...parts.slice(first), ...parts.slice(0, first)];
  if (isRash) return inTurn.find((part) => part.pid() !== null);
  const deadline = Date.now() + VICTIM_PATIENCE_MS;
  while (Date.now() < deadline && !signal.aborted) {
    const working = inTurn.filter((part) => part.readyForMs() !== null);
    const victim = working.find((part) => (part.readyForMs() ?? 0) > LIFE_MS);
    if (victim && (working.length > 1 || parts.length === 1)) return victim;
    await sleep(LOOK_MS);
  }
  return undefined;
}
