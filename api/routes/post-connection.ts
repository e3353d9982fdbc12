/** POST /v1/users/{userId}/connections: opens the flow of a user and app, or gives the one that is open. */
import { z } from 'zod';
import { listAttempts } from '../../db/attempts.ts';
import { loadAccountKnowledge } from '../../db/connections.ts';
import { openFlow } from '../../db/flows.ts';
import { forUser } from '../../db/scope.ts';
import { resolveAccount } from '../../domain/gate.ts';
import { toEntityId } from '../../domain/user-id.ts';
import { defineRoute } from '../define-route.ts';
import type { ApiDeps } from '../deps.ts';
import { startFlowWorkflow } from '../flow-workflow.ts';
import { ApiProblem } from '../problem-codes.ts';
import { requireUser } from '../require-user.ts';
import { userIdInPath } from '../schemas/common.ts';
import { alreadyConnectedSchema, flowSchema, newFlowSchema, toFlowBody } from '../schemas/connection.ts';
import { temporalUnavailable } from '../temporal-errors.ts';

// Two reads; a caller who shows a button waits for them.
const COMPOSIO_DEADLINE_MS = 10_000;

export const postConnectionRoute = defineRoute({
  method: 'post',
  path: '/v1/users/{userId}/connections',
  operationId: 'createConnection',
  tag: 'Connections',
  summary: 'Connect an app',
  description:
    'Opens a connection flow and gives its `connectUrl`, to show to the user. One flow is open per user and app: a second call gives the same one.',
  scope: 'runs',
  params: z.strictObject({ userId: userIdInPath }),
  body: newFlowSchema,
  responses: {
    200: {
      description:
        'The flow that is open already; or, when the app is connected and `reconnect` was not asked for, its account.',
      body: z.union([flowSchema, alreadyConnectedSchema]),
    },
    201: { description: 'A new flow.', body: flowSchema },
  },
  problems: ['user_unknown', 'app_unknown', 'app_needs_no_connection', 'return_url_not_allowed'],
  handler: async (deps, { params, body }) => {
    const { userId } = await requireUser(deps.db, params.userId);
    const returnUrl = body.returnUrl ?? null;
    if (returnUrl !== null && !deps.connect.returnUrls.includes(returnUrl))
      throw new ApiProblem('return_url_not_allowed');
    const signal = AbortSignal.timeout(COMPOSIO_DEADLINE_MS);
    const toolkit = await deps.composio.getToolkit(body.app, { signal });
    if (!toolkit)
      throw new ApiProblem('app_unknown', { errors: [{ at: 'body/app', message: 'is not a toolkit' }] });
    if (toolkit.noAuth) throw new ApiProblem('app_needs_no_connection');
    const accountId =
      body.reconnect === true ? null : await findWorkingAccount(deps, userId, body.app, signal);
    if (accountId !== null)
      return { status: 200, body: { app: body.app, status: 'completed' as const, accountId } };
    const { flow, isNew, last } = await forUser(deps.db, userId, async (tx) => {
      const opened = await openFlow(tx, {
        userId,
        app: body.app,
        appName: toolkit.name,
        reconnect: body.reconnect ?? false,
        returnUrl,
        timeoutMs: deps.connect.timeoutMs,
      });
      return { ...opened, last: (await listAttempts(tx, opened.flow.id))[0] ?? null };
    });
    // When this fails the flow stays open: the next call gives it again and starts its workflow.
    await startFlowWorkflow(deps, flow).catch((error: unknown) => {
      throw temporalUnavailable(error);
    });
    const answer = toFlowBody(flow, last, deps.publicUrl);
    return isNew ? { status: 201, body: answer } : { status: 200, body: answer };
  },
});

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
