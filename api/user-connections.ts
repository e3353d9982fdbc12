/** A user's connections as they are shown: fresh from Composio, else what was last seen, said so. */
import type { Logger } from 'pino';
import type { z } from 'zod';
import { ComposioFailure } from '../composio/failure.ts';
import {
  forgetMissingConnections,
  listStoredConnections,
  loadAccountKnowledge,
  recordConnections,
} from '../db/connections.ts';
import { closeEpisodes, listOpenEpisodes } from '../db/episodes.ts';
import { listOpenFlows } from '../db/flows.ts';
import { type UserTx, forUser } from '../db/scope.ts';
import { listWaitingRunsByApp } from '../db/waiters.ts';
import { type AccountKnowledge, type ConnectedAccount, resolveAccount } from '../domain/gate.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ApiDeps } from './deps.ts';
import { type connectionSchema, toConnectionBody } from './schemas/connection.ts';

export type ConnectionBody = z.input<typeof connectionSchema>;

// A settings page is better late-but-stale than blank: past this the stored state is shown.
const COMPOSIO_DEADLINE_MS = 5_000;

/** @param fresh without it Composio is not asked, which is not called stale: for a page that looks again every few seconds. */
export async function readConnections(
  deps: Pick<ApiDeps, 'db' | 'composio' | 'publicUrl'>,
  userId: string,
  { fresh: isFresh, log }: { fresh: boolean; log: Logger },
): Promise<{ items: ConnectionBody[]; stale: boolean }> {
  const askedAt = performance.now();
  const fresh = isFresh ? await tryReadAccounts(deps, userId, log) : null;
  return forUser(deps.db, userId, async (tx) => {
    if (fresh) {
      await recordConnections(tx, userId, fresh);
      await forgetMissingConnections(tx, userId, {
        apps: null,
        accountIds: fresh.map((account) => account.id),
      });
    }
    const [stored, flows, waiting, knowledge] = [
      await listStoredConnections(tx, userId),
      await listOpenFlows(tx, userId),
      await listWaitingRunsByApp(tx, userId),
      await loadAccountKnowledge(tx, userId, null),
    ];
    if (fresh) await closeMended(tx, userId, { askedAt, accounts: fresh, knowledge });
    const items = stored
      // A consent that nobody has vouched for must not look like a connection: it never acts.
      .filter(
        ({ app, accountId, status }) => status !== 'ACTIVE' || !knowledge(app).unaccepted.has(accountId),
      )
      .map((connection) =>
        toConnectionBody(connection, {
          openFlow: flows.find((flow) => flow.app === connection.app),
          waitingRuns: waiting.get(connection.app) ?? [],
          publicUrl: deps.publicUrl,
        }),
      );
    return { items, stale: isFresh && fresh === null };
  });
}

async function tryReadAccounts(
  deps: Pick<ApiDeps, 'composio'>,
  userId: string,
  log: Logger,
): Promise<readonly ConnectedAccount[] | null> {
  try {
    return await readAccounts(deps, userId);
  } catch (error) {
    const isTimeout = error instanceof Error && /^(Abort|Timeout)Error$/.test(error.name);
    if (!(error instanceof ComposioFailure) && !isTimeout) throw error;
    log.warn({ err: error }, 'connections are shown as last seen');
    return null;
  }
}

async function readAccounts(
  deps: Pick<ApiDeps, 'composio'>,
  userId: string,
): Promise<readonly ConnectedAccount[]> {
  const entityId = toEntityId(userId);
  const signal = AbortSignal.timeout(COMPOSIO_DEADLINE_MS);
  const accounts = await deps.composio.forEntity(entityId).connections(null, { signal });
  return accounts.filter((account) => account.entityId === entityId);
}

/** Mended elsewhere, or gone: its user need not hear of it any more, and will hear of the next time. */
async function closeMended(
  tx: UserTx,
  userId: string,
  seen: {
    askedAt: number;
    accounts: readonly ConnectedAccount[];
    knowledge: (app: string) => AccountKnowledge;
  },
): Promise<void> {
  const entityId = toEntityId(userId);
  const mended = (await listOpenEpisodes(tx, [userId]))
    .map(({ app }) => app)
    .filter((app) => {
      const resolution = resolveAccount(seen.accounts, { entityId, app, knowledge: seen.knowledge(app) });
      return resolution.kind === 'ready' || resolution.account === null;
    });
  await closeEpisodes(tx, userId, mended, seen.askedAt);
}
