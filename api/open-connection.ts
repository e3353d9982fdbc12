/** Opens the flow of a user and app, or gives the one that is open; or says that the app is connected. */
import { type Attempt, listAttempts } from '../db/attempts.ts';
import { loadAccountKnowledge } from '../db/connections.ts';
import { type Flow, openFlow } from '../db/flows.ts';
import { forUser } from '../db/scope.ts';
import { resolveAccount } from '../domain/gate.ts';
import { toEntityId } from '../domain/user-id.ts';
import type { ApiDeps } from './deps.ts';
import { startFlowWorkflow } from './flow-workflow.ts';
import { ApiProblem } from './problem-codes.ts';
import { temporalUnavailable } from './temporal-errors.ts';

// Two reads; a caller who shows a button waits for them.
const COMPOSIO_DEADLINE_MS = 10_000;

export type OpenedConnection =
  | { readonly kind: 'connected'; readonly accountId: string }
  | {
      readonly kind: 'flow';
      readonly flow: Flow;
      readonly isNew: boolean;
      readonly lastAttempt: Attempt | null;
    };

/** @throws ApiProblem app_unknown, app_needs_no_connection, unavailable. */
export async function openConnection(
  deps: ApiDeps,
  userId: string,
  ask: { app: string; reconnect: boolean; returnUrl: string | null },
): Promise<OpenedConnection> {
  const signal = AbortSignal.timeout(COMPOSIO_DEADLINE_MS);
  const toolkit = await deps.composio.getToolkit(ask.app, { signal });
  if (!toolkit)
    throw new ApiProblem('app_unknown', { errors: [{ at: 'body/app', message: 'is not a toolkit' }] });
  if (toolkit.noAuth) throw new ApiProblem('app_needs_no_connection');
  const accountId = ask.reconnect ? null : await findWorkingAccount(deps, userId, ask.app, signal);
  if (accountId !== null) return { kind: 'connected', accountId };
  const { last, ...opened } = await forUser(deps.db, userId, async (tx) => {
    const result = await openFlow(tx, {
      userId,
      app: ask.app,
      appName: toolkit.name,
      reconnect: ask.reconnect,
      returnUrl: ask.returnUrl,
      timeoutMs: deps.connect.timeoutMs,
    });
    return { ...result, last: (await listAttempts(tx, result.flow.id))[0] ?? null };
  });
  // When this fails the flow stays open: the next call gives it again and starts its workflow.
  await startFlowWorkflow(deps, opened).catch((error: unknown) => {
    throw temporalUnavailable(error);
  });
  return { kind: 'flow', flow: opened.flow, isNew: opened.isNew, lastAttempt: last };
}

async function findWorkingAccount(
  deps: ApiDeps,
  userId: string,
  app: string,
  signal: AbortSignal,
): Promise<string | null> {
  const entityId = toEntityId(userId);
  const accounts = await deps.composio.forEntity(entityId).connections([app], { signal });
  const knowledge = await forUser(deps.db, userId, (tx) => loadAccountKnowledge(tx, userId, [app]));
  const resolution = resolveAccount(accounts, { entityId, app, knowledge: knowledge(app) });
  return resolution.kind === 'ready' ? resolution.account.id : null;
}
