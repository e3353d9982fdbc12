/**
 * The gate as activities use it: reads a user's accounts from Composio, records what it saw, and opens flows for what is
 * missing. Registration and the run's status are one transaction, so that a flow cannot complete unheard.
 */
import type { ComposioPort } from '../composio/port.ts';
import { forgetMissingConnections, recordConnections } from '../db/connections.ts';
import { closeEpisodes, openEpisode } from '../db/episodes.ts';
import { type OpenedFlow, openFlow } from '../db/flows.ts';
import { addNotice } from '../db/notices.ts';
import type { UserTx } from '../db/scope.ts';
import {
  type AccountKnowledge,
  type ConnectedAccount,
  type Resolution,
  gateMessage,
  resolveAccount,
} from '../domain/gate.ts';
import type { NoticeChannel } from '../domain/notice.ts';
import type { BrokenStatus, GateReason } from '../domain/statuses.ts';
import { toEntityId } from '../domain/user-id.ts';

export type AppName = { readonly app: string; readonly appName: string };
export type MissingApp = AppName & {
  readonly reason: GateReason;
  readonly account: ConnectedAccount | null;
  /** Composio says ACTIVE but an execution with it was refused: only another account will do. */
  readonly refusedAccountId?: string | null;
};

/** A user's accounts of some apps as Composio shows them now, and which of them may act. */
export type SeenAccounts = {
  /** Of performance.now, before Composio was asked: what happened since then, this does not show. */
  readonly askedAt: number;
  readonly apps: readonly string[];
  readonly accounts: readonly ConnectedAccount[];
  readonly resolutions: ReadonlyMap<string, Resolution>;
};

/** Reads and resolves, app by app. One Composio request (a page at a time). Records nothing. */
export async function seeAccounts(
  deps: { composio: ComposioPort },
  userId: string,
  apps: readonly string[],
  { knowledge, signal }: { knowledge: (app: string) => AccountKnowledge; signal: AbortSignal },
): Promise<SeenAccounts> {
  const askedAt = performance.now();
  if (apps.length === 0) return { askedAt, apps, accounts: [], resolutions: new Map() };
  const entityId = toEntityId(userId);
  const listed = await deps.composio.forEntity(entityId).connections(apps, { signal });
  const accounts = listed.filter((account) => account.entityId === entityId && apps.includes(account.app));
  const resolve = (app: string) => resolveAccount(listed, { entityId, app, knowledge: knowledge(app) });
  return { askedAt, apps, accounts, resolutions: new Map(apps.map((app) => [app, resolve(app)] as const)) };
}

/** Records what was seen. */
export async function recordSeen(tx: UserTx, userId: string, seen: SeenAccounts): Promise<void> {
  if (seen.apps.length === 0) return;
  const accountIds = seen.accounts.map((account) => account.id);
  await recordConnections(tx, userId, seen.accounts);
  await forgetMissingConnections(tx, userId, { apps: seen.apps, accountIds });
  const working = seen.apps.filter((app) => seen.resolutions.get(app)?.kind === 'ready');
  await closeEpisodes(tx, userId, working, seen.askedAt);
}

/** The same without recording, for the one app of a tool call: the hot path reads only. */
export async function resolveForCall(
  deps: { composio: ComposioPort },
  userId: string,
  app: string,
  { knowledge, signal }: { knowledge: AccountKnowledge; signal: AbortSignal },
): Promise<Resolution> {
  const entityId = toEntityId(userId);
  const accounts = await deps.composio.forEntity(entityId).connections([app], { signal });
  return resolveAccount(accounts, { entityId, app, knowledge });
}

export function missingOf(
  apps: readonly AppName[],
  resolutions: ReadonlyMap<string, Resolution>,
): MissingApp[] {
  return apps.flatMap(({ app, appName }) => {
    const resolution = resolutions.get(app);
    return resolution?.kind === 'needs_connection'
      ? [{ app, appName, reason: resolution.reason, account: resolution.account }]
      : [];
  });
}

/** Opens (or joins) the flow of each missing app and, where an app has stopped working, its episode with the user's notice. */
export async function openFlowsFor(
  tx: UserTx,
  user: {
    userId: string;
    timeoutMs: number;
    channels: readonly NoticeChannel[];
    /** As in SeenAccounts. */
    askedAt: number;
  },
  missing: readonly MissingApp[],
): Promise<{ flows: ReadonlyMap<string, OpenedFlow>; noticeIds: readonly string[] }> {
  const flows = new Map<string, OpenedFlow>();
  const noticeIds: string[] = [];
  // In a fixed order, so that two runs of one user cannot deadlock on two apps.
  for (const item of missing.toSorted((a, b) => a.app.localeCompare(b.app))) {
    const opened = await openFlow(tx, {
      userId: user.userId,
      app: item.app,
      appName: item.appName,
      reconnect: false,
      refusedAccountId: item.refusedAccountId ?? null,
      returnUrl: null,
      timeoutMs: user.timeoutMs,
    });
    flows.set(item.app, opened);
    if (item.account) {
      const noticeId = await tellBroken(
        tx,
        {
          ...item,
          account: item.account,
          userId: user.userId,
          flowId: opened.flow.id,
          askedAt: user.askedAt,
        },
        user.channels,
      );
      if (noticeId !== null) noticeIds.push(noticeId);
    }
  }
  return { flows, noticeIds };
}

/** Opens the episode of an app that stopped working; only who opens it writes the notice. @returns the notice's id, if it is new. */
export async function tellBroken(
  tx: UserTx,
  broken: {
    userId: string;
    app: string;
    appName: string;
    reason: GateReason;
    account: ConnectedAccount;
    flowId: string;
    askedAt: number;
  },
  channels: readonly NoticeChannel[],
): Promise<string | null> {
  const { account } = broken;
  const status = account.status === 'ACTIVE' ? refusedAs(broken.reason, account) : account.status;
  const episodeId = await openEpisode(tx, {
    userId: broken.userId,
    app: broken.app,
    accountId: account.id,
    status,
    askedAt: broken.askedAt,
  });
  if (episodeId === null) return null;
  return addNotice(
    tx,
    {
      userId: broken.userId,
      type: 'connection.expired',
      dedupeKey: `episode:${episodeId}`,
      app: broken.app,
      flowId: broken.flowId,
      runId: null,
      data: { accountId: account.id, status, message: gateMessage(broken.reason, broken.appName) },
    },
    channels,
  );
}

/** What is told of an account that Composio calls ACTIVE and that does not work. */
function refusedAs(reason: GateReason, account: ConnectedAccount): BrokenStatus {
  if (account.disabled) return 'INACTIVE';
  return reason === 'expired' ? 'EXPIRED' : 'REVOKED';
}
