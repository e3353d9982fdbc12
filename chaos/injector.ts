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
type State = { readonly busy: Set<string> };

export function startInjector(plan: readonly Planned[], deps: Deps): Injector {
  const stopping = new AbortController();
  const state: State = { busy: new Set() };
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
      const work: Promise<void> = run(planned).finally(() => running.delete(work));
      running.add(work);
    }
  })();
  return {
    done,
    heal: async () => {
      stopping.abort();
      await done;
      await Promise.all(running);
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
      return kill(stage, fault);
    case 'freeze':
      return freeze(stage, state, fault);
    case 'deploy': {
      const worker = await pickReady(stage.workers, fault.pick);
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
      return { forMs: fault.forMs, end: async () => void (await stage.composio.removeFault(id)) };
    }
    case 'model':
      await stage.model.fault({ fault: fault.fault, times: fault.times });
      return {};
    case 'break':
      return breakConnection(deps, fault);
  }
};

async function kill(stage: Stage, fault: Fault & { kind: 'kill' }): Promise<Begun | null> {
  const { part, pick } = fault;
  if (part === 'temporal') return stage.temporal.signal('SIGKILL') ? { part } : null;
  // What `pg_ctl stop -m immediate` sends: every session is dropped, the next start recovers from the log.
  if (part === 'postgres') return stage.postgres.signal('SIGQUIT') ? { part } : null;
  const one = await pickReady(part === 'worker' ? stage.workers : stage.apis, pick);
  return one?.signal('SIGKILL') === true ? { part: one.name } : null;
}

async function freeze(stage: Stage, state: State, fault: Fault & { kind: 'freeze' }): Promise<Begun | null> {
  // One at a time: with both workers frozen there would only be silence to check.
  if (state.busy.has('freeze')) return null;
  state.busy.add('freeze');
  const worker = await pickReady(stage.workers, fault.pick);
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

/** How long a kill waits for a process that has finished starting: killing only what starts would let nothing ever run. */
const READY_PATIENCE_MS = 4_000;

/** The picked one if it is ready, or the next that is; when none gets ready in time, whatever is alive. */
async function pickReady(parts: readonly Supervised[], pick: number): Promise<Supervised | undefined> {
  const first = Math.floor(pick * parts.length);
  const inTurn = [...parts.slice(first), ...parts.slice(0, first)];
  const deadline = Date.now() + READY_PATIENCE_MS;
  while (Date.now() < deadline) {
    const ready = inTurn.find((part) => part.isReady());
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
