/** POST /v1/connections/{flowId}/confirm: the integrator's server says who consented (verifier mode). */
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { acceptAttemptOnce } from '../../db/accept-attempt.ts';
import type { Attempt } from '../../db/attempts.ts';
import { listAttempts } from '../../db/attempts.ts';
import type { Flow } from '../../db/flows.ts';
import { getFlow } from '../../db/flows.ts';
import { sha256 } from '../../db/ids.ts';
import { asSystem } from '../../db/scope.ts';
import { endAttempt } from '../connect/drop-account.ts';
import { lookAtAccount } from '../connect/read-account.ts';
import { tellAccepted } from '../connect/tell-accepted.ts';
import { defineRoute } from '../define-route.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiProblem, unavailable } from '../problem-codes.ts';
import { id } from '../schemas/common.ts';
import { flowSchema, toFlowBody } from '../schemas/connection.ts';

export const confirmConnectionRoute = defineRoute({
  method: 'post',
  path: '/v1/connections/{flowId}/confirm',
  operationId: 'confirmConnection',
  tag: 'Connections',
  summary: 'Confirm who consented',
  description:
    'With `BELLHOP_VERIFIER_URL`: the browser came to your verifier with `flow` and `code`; your server, which knows who is logged in there, confirms. Another user than the one the flow is for ends the attempt and deletes its account.',
  scope: 'runs',
  params: z.strictObject({ flowId: id('flow') }),
  body: z.strictObject({
    userId: z.string().max(4_096).meta({ description: 'Who is logged in at your page.', example: 'alice' }),
    code: z.string().max(4_096).meta({ description: 'As your page got it. Works once.' }),
  }),
  responses: { 200: { description: 'The flow, completed.', body: flowSchema } },
  problems: ['not_found', 'code_invalid', 'user_mismatch'],
  handler: async (deps, { params, body, log }) => {
    const { flow, attempt } = await findAttemptByCode(deps, params.flowId, body.code);
    if (body.userId !== flow.userId) {
      const ended = await endAttempt(deps, attempt, {
        from: ['awaiting_confirm'],
        reason: 'user_mismatch',
        log,
      });
      throw new ApiProblem(ended ? 'user_mismatch' : 'code_invalid');
    }
    // The code is only taken when the account still is what it was at the callback.
    const look = await lookAtAccount(deps.callbackDesk.readAccount, flow, attempt.accountId ?? '');
    if (look === 'pending' || look === 'unasked')
      throw unavailable('Composio does not show the account as ACTIVE yet.');
    if (look !== 'active') throw new ApiProblem('code_invalid');
    const accepted = await acceptAttemptOnce(deps.db, attempt, 'confirm');
    if (!accepted) throw new ApiProblem('code_invalid');
    await tellAccepted(deps, { flow, runIds: accepted.runIds }, log);
    const done = await asSystem(deps.db, async (tx) => ({
      flow: await getFlow(tx, flow.id),
      last: (await listAttempts(tx, flow.id))[0] ?? null,
    }));
    return { status: 200, body: toFlowBody(done.flow ?? flow, done.last, deps.publicUrl) };
  },
});

async function findAttemptByCode(
  deps: ApiDeps,
  flowId: string,
  code: string,
): Promise<{ flow: Flow; attempt: Attempt }> {
  const { flow, attempts } = await asSystem(deps.db, async (tx) => ({
    flow: await getFlow(tx, flowId),
    attempts: await listAttempts(tx, flowId),
  }));
  if (!flow) throw new ApiProblem('not_found');
  const hash = sha256(code);
  const attempt = attempts.find(
    ({ status, codeHash, isOver }) =>
      status === 'awaiting_confirm' && codeHash !== null && timingSafeEqual(codeHash, hash) && !isOver,
  );
  if (!attempt) throw new ApiProblem('code_invalid');
  return { flow, attempt };
}
