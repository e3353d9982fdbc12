/** From accounts that Composio shows as not working to users who must be told. Shared by both ways of auditing. */
import type { ComposioPort, ConnectionQuery } from '../composio/port.ts';
import { loadAccountKnowledge } from '../db/connections.ts';
import { closeEpisodes, listOpenEpisodes } from '../db/episodes.ts';
import { asSystem, forUser } from '../db/scope.ts';
import { type ConnectedAccount, resolveAccount } from '../domain/gate.ts';
import { BROKEN_STATUSES } from '../domain/statuses.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ActivityDeps } from './deps.ts';
import { openFlowsFor } from './gate.ts';
import { channelsOf } from './run-notices.ts';
import { startDeliveries } from './start-workflows.ts';
import { waitOutLimit } from './wait-out-limit.ts';

/** Composio's largest page. */
export const PAGE_LIMIT = 100;

type Page = Awaited<ReturnType<ComposioPort['listConnections']>>;

const FOREIGN_KEY_VIOLATION = '23503';

export type PageOptions = {
  readonly signal: AbortSignal;
  readonly onRequest: () => void;
  /** Of each page, once it is there. */
  readonly onAccounts?: (accounts: readonly ConnectedAccount[]) => void;
  /** Waits in its place when Composio's limit leaves no room, instead of failing. */
  readonly isPatient?: boolean;
};

/** All pages of a question; counts what it asked. */
export async function* pagesOf(
  composio: ComposioPort,
  query: ConnectionQuery,
  options: PageOptions,
): AsyncGenerator<readonly ConnectedAccount[]> {
  let cursor: string | null = null;
  do {
    const asked = { ...query, limit: PAGE_LIMIT, ...(cursor === null ? {} : { cursor }) };
    const ask = async (): Promise<Page> => await composio.listConnections(asked, { signal: options.signal });
    options.onRequest();
    const page: Page = await (options.isPatient === true ? waitOutLimit(ask, options.signal) : ask());
    options.onAccounts?.(page.items);
    yield page.items;
    // A cursor that leads to itself would go round for ever.
    cursor = page.nextCursor === cursor ? null : page.nextCursor;
  } while (cursor !== null);
}

export type SettleResult = { readonly broken: number; readonly notified: number };

/**
 * Reads these users again, working accounts too, and settles each app: an episode and one notice where it is broken, the
 * episode's end where it works or is gone.
 */
export async function settleSuspects(
  deps: ActivityDeps,
  userIds: readonly string[],
  options: PageOptions,
): Promise<SettleResult> {
  if (userIds.length === 0) return { broken: 0, notified: 0 };
  const askedAt = performance.now();
  const byUser = new Map<string, ConnectedAccount[]>(userIds.map((userId) => [userId, []]));
  const query = { entityIds: userIds.map(toEntityId), statuses: [...BROKEN_STATUSES, 'ACTIVE' as const] };
  for await (const page of pagesOf(deps.composio, query, options)) {
    for (const account of page) byUser.get(account.entityId)?.push(account);
  }
  const openApps = new Map<string, string[]>();
  for (const { userId, app } of await asSystem(deps.db, (tx) => listOpenEpisodes(tx, userIds))) {
    openApps.set(userId, [...(openApps.get(userId) ?? []), app]);
  }
  let broken = 0;
  let notified = 0;
  for (const [userId, accounts] of byUser) {
    const seen = { askedAt, accounts, openApps: openApps.get(userId) ?? [] };
    const result = await settleUser(deps, userId, seen).catch((error: unknown) => {
      // The user was removed while the audit was on its way: nobody is left to tell.
      if ((error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION) return { broken: 0, notified: 0 };
      throw error;
    });
    broken += result.broken;
    notified += result.notified;
  }
  return { broken, notified };
}

async function settleUser(
  deps: ActivityDeps,
  userId: string,
  {
    askedAt,
    accounts,
    openApps,
  }: { askedAt: number; accounts: readonly ConnectedAccount[]; openApps: readonly string[] },
): Promise<SettleResult> {
  const entityId = toEntityId(userId);
  const apps = [...new Set([...accounts.map((account) => account.app), ...openApps])].sort();
  const names = await appNames(deps.composio, apps);
  const { broken, noticeIds } = await forUser(deps.db, userId, async (tx) => {
    const knowledge = await loadAccountKnowledge(tx, userId, apps);
    const missing = apps.flatMap((app) => {
      const resolution = resolveAccount(accounts, { entityId, app, knowledge: knowledge(app) });
      if (resolution.kind === 'ready' || resolution.account === null) return [];
      return [
        { app, appName: names.get(app) ?? app, reason: resolution.reason, account: resolution.account },
      ];
    });
    const mended = openApps.filter((app) => !missing.some((item) => item.app === app));
    await closeEpisodes(tx, userId, mended, askedAt);
    const { connectTimeoutMs: timeoutMs } = deps.settings;
    const user = { userId, timeoutMs, channels: channelsOf(deps.settings), askedAt };
    const { noticeIds } = await openFlowsFor(tx, user, missing);
    return { broken: missing.length, noticeIds };
  });
  if (deps.settings.webhook !== null) await startDeliveries(noticeIds, userId);
  return { broken, notified: noticeIds.length };
}

/** Display names, from the port's cache. A toolkit that Composio no longer knows keeps its slug. */
async function appNames(
  composio: ComposioPort,
  apps: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const entries = await Promise.all(
    apps.map(async (app) => [app, (await composio.getToolkit(app))?.name ?? app] as const),
  );
  return new Map(entries);
}
