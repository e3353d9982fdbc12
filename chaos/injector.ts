/** Carries the schedule out. A fault whose target is down, or busy with another one, is skipped and logged as skipped. */
import { setTimeout as sleep } from 'node:timers/promises';
import { APPS, type User } from './cast.ts';
import type { Fault, Planned } from './fault.ts';
import type { ApiClient } from './api-client.ts';
import type { OperationLog } from './log.ts';
import type { Stage } from './stage.ts';
import { type Begun, type State, blackout, deploy, freeze, kill } from './process-faults.ts';

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
type Begin = (deps: Deps, state: State, fault: Fault, n: number) => Promise<Begun | null>;
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
    case 'blackout':
      return blackout(stage, state);
    case 'freeze':
      return freeze(stage, state, fault);
    case 'deploy':
      return deploy(stage, state, fault);
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
