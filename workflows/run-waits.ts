/**
 * What one run waits for (connections, approvals, resolutions), the hints that end its waits, and the status that follows.
 * One object per run, made inside its workflow: nothing here is at module level. A hint is never a proof; whoever is woken
 * asks an activity again.
 */
import { condition } from '@temporalio/workflow';
import type { RunStatus } from '../domain/statuses.ts';
import type { WaitingApp } from './messages.ts';

/** How many hints had come when somebody looked: a hint that comes while it looks must not be lost. */
export type Seen = {
  readonly apps: ReadonlyMap<string, number>;
  readonly calls: ReadonlyMap<string, number>;
  readonly places: number;
  /** Hints for whatever is waited for. */
  readonly all: number;
};
/** `since`: milliseconds since 1970. */
export type AwaitedApp = WaitingApp & { readonly since: number };
export type WaitingCall = {
  readonly id: string;
  readonly tool: string;
  readonly for: 'approval' | 'resolution';
  readonly since: number;
};

/** Of a timer's summary: the server takes 400 bytes. */
const MOST_SUMMARY = 200;

export type RunWaits = {
  hintConnection(app: string): void;
  /** For all apps that are waited for; with `soon` also for those that are looked at just now. */
  hintConnections(soon: boolean): void;
  hintCall(callId: string): void;
  hintPlace(): void;
  seen(): Seen;
  /** Until one of these apps was reported connected since `seen`. @returns false when the time was up first. */
  awaitConnection(apps: readonly AwaitedApp[], seen: Seen, timeoutMs: number): Promise<boolean>;
  /** Until the call was reported decided since `seen`, or the time is up; `null` waits for as long as it takes. */
  awaitDecision(call: WaitingCall, seen: Seen, timeoutMs: number | null): Promise<void>;
  /** Until a place was reported free since `seen`. */
  awaitPlace(seen: Seen): Promise<void>;
  /** The first that holds, as the run's row has it. */
  status(): RunStatus;
  apps(): readonly AwaitedApp[];
  calls(): readonly WaitingCall[];
  /** Waited for once, and no longer. */
  connected(): readonly string[];
};

/** @param onChange called when the status that follows from the waits may have changed. */
export function createRunWaits(onChange: () => void): RunWaits {
  const hintedApps = new Map<string, number>();
  const hintedCalls = new Map<string, number>();
  const apps = new Map<string, AwaitedApp>();
  const connected = new Set<string>();
  const calls = new Map<string, WaitingCall>();
  let places = 0;
  let all = 0;
  const count = (hints: Map<string, number>, key: string): void => {
    hints.set(key, (hints.get(key) ?? 0) + 1);
  };
  return {
    hintConnection: (app) => count(hintedApps, app),
    hintConnections(soon) {
      if (soon) all += 1;
      else for (const name of apps.keys()) count(hintedApps, name);
    },
    hintCall: (callId) => count(hintedCalls, callId),
    hintPlace: () => {
      places += 1;
    },
    seen: () => ({ apps: new Map(hintedApps), calls: new Map(hintedCalls), places, all }),
    async awaitConnection(awaited, seen, timeoutMs) {
      for (const app of awaited) {
        apps.set(app.app, app);
        connected.delete(app.app);
      }
      onChange();
      const isHinted = (): boolean =>
        all !== seen.all || awaited.some(({ app }) => hintedApps.get(app) !== seen.apps.get(app));
      const summary = `${awaited.map(({ app }) => app).join(', ')} to be connected`.slice(0, MOST_SUMMARY);
      const isWoken = await condition(isHinted, Math.max(1, timeoutMs), { summary });
      for (const { app } of awaited) {
        apps.delete(app);
        // Shown as such until an activity says otherwise.
        if (isWoken) connected.add(app);
      }
      if (isWoken) onChange();
      return isWoken;
    },
    async awaitDecision(call, seen, timeoutMs) {
      calls.set(call.id, call);
      onChange();
      const isHinted = (): boolean => hintedCalls.get(call.id) !== seen.calls.get(call.id);
      const summary = `${call.for} of ${call.tool}`.slice(0, MOST_SUMMARY);
      await (timeoutMs === null
        ? condition(isHinted)
        : condition(isHinted, Math.max(1, timeoutMs), { summary }));
      calls.delete(call.id);
      onChange();
    },
    awaitPlace: (seen) => condition(() => places !== seen.places),
    status() {
      if (apps.size > 0) return 'waiting_for_connection';
      const open = [...calls.values()];
      if (open.some((call) => call.for === 'approval')) return 'waiting_for_approval';
      return open.length > 0 ? 'waiting_for_resolution' : 'running';
    },
    apps: () => [...apps.values()],
    calls: () => [...calls.values()],
    connected: () => [...connected],
  };
}
