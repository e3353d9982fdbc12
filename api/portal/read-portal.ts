/** What a user's settings page shows: one entry per app, its best account first, and the tasks that wait for it. */
import type { Logger } from 'pino';
import { listOpenFlows } from '../../db/flows.ts';
import type { Run } from '../../db/runs.ts';
import { getRun } from '../../db/runs.ts';
import { forUser } from '../../db/scope.ts';
import { getUser } from '../../db/users.ts';
import { listWaitingRunsByApp } from '../../db/waiters.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiProblem } from '../problem-codes.ts';
import { readConnections } from '../user-connections.ts';
import type { ConnectionBody } from '../user-connections.ts';
import type { PortalAsk } from './portal-sessions.ts';

export type PortalApp = {
  readonly app: string;
  readonly name: string;
  /** Working ones first. */
  readonly accounts: readonly ConnectionBody[];
  readonly isConnected: boolean;
  /** First lines of their tasks, the oldest first. */
  readonly waitingTasks: readonly string[];
  /** How many tasks wait, also those that are not named. */
  readonly waiting: number;
};
export type PortalView = {
  readonly forWhom: string;
  readonly apps: readonly PortalApp[];
  readonly isStale: boolean;
};

/** More would make a page of it; the number says the rest. */
const TASKS_SHOWN = 3;
const TASK_LENGTH = 90;
// Names of apps are only nicer words for what the slug says already.
const NAME_DEADLINE_MS = 2_000;

/** @param fresh asks Composio; else what was last seen. @throws ApiProblem user_unknown. */
export async function readPortal(
  deps: ApiDeps,
  ask: PortalAsk,
  { fresh, log }: { fresh: boolean; log: Logger },
): Promise<PortalView> {
  const { userId } = ask;
  const { items, stale } = await readConnections(deps, userId, { fresh, log });
  const { user, flows, tasks } = await forUser(deps.db, userId, async (tx) => {
    const waiting = [...(await listWaitingRunsByApp(tx, userId))];
    const shown = [...new Set(waiting.flatMap(([, ids]) => ids.slice(0, TASKS_SHOWN)))];
    const runs = new Map<string, Run | null>();
    for (const id of shown) runs.set(id, await getRun(tx, id));
    return {
      user: await getUser(tx, userId),
      flows: await listOpenFlows(tx, userId),
      tasks: new Map(
        waiting.map(([app, ids]) => [
          app,
          { ids, texts: ids.slice(0, TASKS_SHOWN).map((id) => firstLine(runs.get(id))) },
        ]),
      ),
    };
  });
  if (!user) throw new ApiProblem('user_unknown');
  const apps = new Set([
    ...ask.apps,
    ...items.map(({ app }) => app),
    ...flows.map(({ app }) => app),
    ...tasks.keys(),
  ]);
  const names = new Map(flows.map(({ app, appName }) => [app, appName]));
  const views = await Promise.all(
    [...apps].map(async (app): Promise<PortalApp> => {
      const accounts = items
        .filter((item) => item.app === app && item.status !== 'INITIATED')
        .toSorted(byUse);
      return {
        app,
        name: names.get(app) ?? (await nameOf(deps, app)),
        accounts,
        isConnected: accounts[0]?.status === 'ACTIVE',
        waitingTasks: (tasks.get(app)?.texts ?? []).filter((text) => text !== ''),
        waiting: tasks.get(app)?.ids.length ?? 0,
      };
    }),
  );
  return { forWhom: user.displayName ?? userId, apps: views.toSorted(byNeed), isStale: stale };
}

async function nameOf({ composio }: ApiDeps, app: string): Promise<string> {
  const toolkit = await composio
    .getToolkit(app, { signal: AbortSignal.timeout(NAME_DEADLINE_MS) })
    .catch(() => null);
  return toolkit?.name ?? app.charAt(0).toUpperCase() + app.slice(1);
}

function firstLine(run: Run | null | undefined): string {
  const line = run?.task.trim().split('\n', 1)[0] ?? '';
  return line.length > TASK_LENGTH ? `${line.slice(0, TASK_LENGTH - 1)}…` : line;
}

function byUse(a: ConnectionBody, b: ConnectionBody): number {
  const rank = ({ status }: ConnectionBody): number => (status === 'ACTIVE' ? 0 : 1);
  return rank(a) - rank(b) || (b.connectedAt ?? '').localeCompare(a.connectedAt ?? '');
}

/** What needs the user first: tasks that wait, then what is broken, then the rest by name. */
function byNeed(a: PortalApp, b: PortalApp): number {
  const rank = (app: PortalApp): number =>
    app.waiting > 0 ? 0 : !app.isConnected && app.accounts.length > 0 ? 1 : 2;
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}
