/** GET /v1/users/{userId}/connections: for a settings page. Fresh from Composio, else what was last seen, said so. */
import { z } from 'zod';
import { ComposioFailure } from '../../composio/failure.ts';
import {
  forgetMissingConnections,
  listStoredConnections,
  loadAccountKnowledge,
  recordConnections,
} from '../../db/connections.ts';
import { closeEpisodes, listOpenEpisodes } from '../../db/episodes.ts';
import { listOpenFlows } from '../../db/flows.ts';
import { type UserTx, forUser } from '../../db/scope.ts';
import { listWaitingRunsByApp } from '../../db/waiters.ts';
import { type AccountKnowledge, type ConnectedAccount, resolveAccount } from '../../domain/gate.ts';
import { toEntityId } from '../../domain/user-id.ts';
import { defineRoute } from '../define-route.ts';
import type { ApiDeps } from '../deps.ts';
import { requireUser } from '../require-user.ts';
import { userIdInPath } from '../schemas/common.ts';
import { connectionSchema, toConnectionBody } from '../schemas/connection.ts';

// A settings page is better late-but-stale than blank: past this the stored state is shown.
const COMPOSIO_DEADLINE_MS = 5_000;

export const listConnectionsRoute = defineRoute({
  method: 'get',
  path: '/v1/users/{userId}/connections',
  operationId: 'listConnections',
  tag: 'Connections',
  summary: "List a user's connections",
  scope: 'runs',
  params: z.strictObject({ userId: userIdInPath }),
  responses: {
    200: {
      description: 'All accounts of the user, by app.',
      body: z.strictObject({
        items: z.array(connectionSchema),
        nextCursor: z.null(),
        stale: z
          .literal(true)
          .optional()
          .meta({ description: 'Composio did not answer: this is the state last seen.' }),
      }),
    },
  },
  problems: ['user_unknown'],
  handler: async (deps, { params, log }) => {
    const { userId } = await requireUser(deps.db, params.userId);
    const askedAt = performance.now();
    const fresh = await readAccounts(deps, userId).catch((error: unknown) => {
      if (
        !(error instanceof ComposioFailure) &&
        !(error instanceof Error && /^(Abort|Timeout)Error$/.test(error.name))
      )
        throw error;
      log.warn({ err: error }, 'connections are shown as last seen');
      return null;
    });
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
      return {
        status: 200 as const,
        body: { items, nextCursor: null, ...(fresh ? {} : { stale: true as const }) },
      };
    });
  },
});

async function readAccounts(deps: ApiDeps, userId: string): Promise<readonly ConnectedAccount[]> {
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
