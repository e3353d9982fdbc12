/** Carries the schedule out. A fault whose target is down, or busy with another one, is skipped and logged as skipped. */
import { setTimeout as sleep } from 'node:timers/promises';
import { APPS, type User } from './cast.ts';
import type { Fault, Planned } from './fault.ts';
import type { ApiClient } from './api-client.ts';
import type { OperationLog } from './log.ts';
import type { Stage } from './stage.ts';
import type { Supervised } from './supervised.ts';

export type Injector = {
  /** Resolves when the last fault of the schedule has begun, or with `heal`. */
  readonly done: Promise<void>;
  /** Ends every fault that is under way, and begins no more. */
  readonly heal: () => Promise<void>;
};

type Deps = {
  readonly stage: Stage;
  readonly users: readonly User[];
  readonly api: ApiClient;
  readonly log: OperationLog;
};
/** How a fault that began is ended; `part` is whom it met. Null: it could not begin. */
type Begun = { readonly part?: string; readonly forMs?: number; readonly end?: () => Promise<void> | void };
type Begin = (deps: Deps, state: State, fault: Fault, n: number) => Promise<Begun | null>;
type State = {
  readonly busy: Set<string>;
  /** Fault rules of the Composio sandbox that are still on. */
  readonly rules: Set<string>;
  readonly signal: AbortSignal;
};

export function startInjector(plan: readonly Planned[], deps: Deps): Injector {
  const stopping = new AbortController();
  const state: State = { busy: new Set(), rules: new Set(), signal: stopping.signal };
  const running = new Set<Promise<void>>();
  const began = Date.now();
  const run = async (planned: Planned): Promise<void> => {
    const { n, fault } = planned;
    const begun = await begin(deps, state, fault, n).catch((error: unknown) => {
      console.error(`fault ${n} (${fault.kind}) could not be made: ${String(error)}`);
      return null;
    });
    if (begun === null) return deps.log.note({ is: 'fault', n, phase: 'skipped', fault });
    const part = begun.part === undefined ? {} : { part: begun.part };
    deps.log.note({ is: 'fault', n, phase: 'begin', fault, ...part });
    if (begun.forMs === undefined) return undefined;
    await pause(begun.forMs, stopping.signal);
    await begun.end?.();
    return deps.log.note({ is: 'fault', n, phase: 'end', fault, ...part });
  };
  const done = (async () => {
    for (const planned of plan) {
      await pause(began + planned.atMs - Date.now(), stopping.signal);
      if (stopping.signal.aborted) return;
      const work: Promise<void> = run(planned)
        .catch((error: unknown) => console.error(`fault ${planned.n} could not be ended: ${String(error)}`))
        .finally(() => running.delete(work));
      running.add(work);
    }
  })();
  return {
    done,
    heal: async () => {
      stopping.abort();
      await done;
      await Promise.all(running);
      for (const id of state.rules) await deps.stage.composio.removeFault(id);
      for (const link of deps.stage.links.values()) link.end();
    },
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => undefined);
}

const begin: Begin = async (deps, state, fault, n) => {
  const { stage } = deps;
  switch (fault.kind) {
    case 'kill':
      return kill(stage, state, fault);
    case 'freeze':
      return freeze(stage, state, fault);
    case 'deploy': {
      const worker = await pickReady(stage.workers, {
        pick: fault.pick,
        patienceMs: READY_PATIENCE_MS,
        signal: state.signal,
      });
      return worker?.signal('SIGTERM') === true ? { part: worker.name } : null;
    }
    case 'link': {
      const link = stage.links.get(fault.link);
      if (!link || state.busy.has(fault.link)) return null;
      state.busy.add(fault.link);
      link.begin(fault.fault);
      const end = (): void => {
        link.end();
        state.busy.delete(fault.link);
      };
      return { part: fault.link, forMs: fault.forMs, end };
    }
    case 'composio': {
      const { id } = await stage.composio.addFault({
        ...(fault.route === null ? {} : { match: { route: fault.route } }),
        action: fault.action,
        probability: fault.share,
        seed: n,
      });
      state.rules.add(id);
      const end = async (): Promise<void> => {
        await stage.composio.removeFault(id);
        state.rules.delete(id);
      };
      return { forMs: fault.forMs, end };
    }
    case 'model':
      await stage.model.fault({ fault: fault.fault, times: fault.times });
      return {};
    case 'break':
      return breakConnection(deps, fault);
  }
};

const partsOf = (stage: Stage, part: 'worker' | 'api'): readonly Supervised[] =>
  part === 'worker' ? stage.workers : stage.apis;

async function kill(stage: Stage, state: State, fault: Fault & { kind: 'kill' }): Promise<Begun | null> {
  const { part, pick, isAimed } = fault;
  const aim = `aim at ${part}`;
  // Of several that wait for the same effect one is enough.
  if (isAimed && state.busy.has(aim)) return null;
  if (isAimed) state.busy.add(aim);
  try {
    const patienceMs = isAimed ? AIM_PATIENCE_MS : READY_PATIENCE_MS;
    const one =
      part === 'worker' || part === 'api'
        ? await pickReady(partsOf(stage, part), { pick, patienceMs, signal: state.signal })
        : undefined;
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

async function freeze(stage: Stage, state: State, fault: Fault & { kind: 'freeze' }): Promise<Begun | null> {
  // One at a time: with both workers frozen there would only be silence to check.
  if (state.busy.has('freeze')) return null;
  state.busy.add('freeze');
  const worker = await pickReady(stage.workers, {
    pick: fault.pick,
    patienceMs: READY_PATIENCE_MS,
    signal: state.signal,
  });
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

/** Longer than this an aimed kill does not wait: then it strikes blindly. A worker's start takes a quarter of it on a busy machine. */
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

/** How long a kill waits for a process that works: where a start takes as long as a life, nothing would ever run. */
const READY_PATIENCE_MS = 10_000;
/** Enough for a worker to have something on its way. */
const LIFE_MS = 2_000;

/** The picked one if it works, or the next that does; when none does in time, whatever is alive. */
async function pickReady(
  parts: readonly Supervised[],
  { pick, patienceMs, signal }: { pick: number; patienceMs: number; signal: AbortSignal },
): Promise<Supervised | undefined> {
  const first = Math.floor(pick * parts.length);
  const inTurn = [...parts.slice(first), ...parts.slice(0, first)];
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline && !signal.aborted) {
    const ready = inTurn.find((part) => (part.readyForMs() ?? 0) > LIFE_MS);
    if (ready) return ready;
    await sleep(50);
  }
  return inTurn.find((part) => part.pid() !== null);
}

async function breakConnection(
  { stage, users, api, log }: Deps,
  fault: Fault & { kind: 'break' },
): Promise<Begun | null> {
  const user = users[Math.floor(fault.user * users.length)];
  const app = APPS[Math.floor(fault.app * APPS.length)];
  if (!user || app === undefined) return null;
  const accounts = await stage.composio.accounts({ userId: user.id, app, status: 'ACTIVE' });
  if (accounts.length === 0) return null;
  const { how } = fault;
  const ids = accounts.map(({ id }) => id);
  const op = { is: 'op', op: 'break', user: user.id, app, how, accounts: ids } as const;
  log.note({ ...op, phase: 'invoke' });
  let isSure = true;
  for (const id of ids) {
    if (how === 'provider') await stage.composio.revokeAtProvider(id);
    else if (how !== 'deleted') await stage.composio.setStatus(id, how, 'broken on purpose');
    else {
      const answer = await api
        .call('DELETE', `/v1/users/${user.id}/connections/${id}`)
        .catch(() => ({ status: 0 }));
      isSure &&= answer.status === 204;
    }
  }
  log.note({ ...op, phase: isSure ? 'ok' : 'info' });
  return { part: `${user.id}/${app}` };
}
