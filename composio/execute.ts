/**
 * Runs one tool for one entity through the SDK. Checks first (owner, app, status, arguments), then lets the SDK make its calls:
 * look-ups are answered from what was checked, and one request leaves. At most one, whatever the SDK does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { classifyAnswer, classifyTransportError } from './classify.ts';
import { readExecuteAnswer } from './execute-answer.ts';
import { ComposioFailure } from './failure.ts';
import type { ExecuteRequest, ExecuteResult } from './port.ts';
import { scopeOfAnybody } from './sabotage-skip-scope.ts';
import type { Scope } from './scope.ts';
import { assertSameScope, verifyScope } from './scope.ts';
import type { SentCall } from './sdk-port.ts';
import type { Shared } from './shared.ts';
import { placeOf } from './shared.ts';
import type { Transport, WireAnswer, WireRequest } from './transport.ts';
import { BeforeSendError, pathSegment } from './transport.ts';

/** Below this an answer is read and written within a few dozen milliseconds. */
const LARGE_CHARS = 4 * 1024 * 1024;

export async function execute(
  shared: Shared,
  entityId: string,
  request: ExecuteRequest,
): Promise<ExecuteResult> {
  const { tool } = request;
  const scope =
    shared.sabotage === 'skip-scope'
      ? await scopeOfAnybody(shared.client, tool, entityId)
      : verifyScope(entityId, tool, request.account);
  shared.argumentChecker.check(tool, request.arguments);
  const results: ExecuteResult[] = [];
  const carry = sending(shared.transport, request, scope, results);
  try {
    await shared.sdk.execute(placeOf(shared), { tool, arguments: request.arguments, scope }, carry);
  } catch (error) {
    // With an answer in hand the call has happened, whatever the SDK made of it.
    if (results.length === 0) throw error;
  }
  // Taken from the wire: what the SDK makes of results costs time and changes them.
  const [result] = results;
  if (!result) throw new ComposioFailure('the SDK sent nothing', { kind: 'rejected', outcome: 'not_sent' });
  return result;
}

/** The one request of the SDK's that leaves, compared with what was verified. */
function sending(
  transport: Transport,
  request: ExecuteRequest,
  scope: Scope,
  results: ExecuteResult[],
): (sent: SentCall) => Promise<ExecuteResult> {
  let isUsed = false;
  return async (sent) => {
    if (sent.slug !== request.tool.slug) throw refuse('the SDK would execute another tool');
    assertSameScope(sent, scope);
    if (isUsed) throw refuse('the SDK tried to execute the same call twice');
    isUsed = true;
    const wire = {
      user_id: sent.entityId,
      connected_account_id: sent.accountId ?? undefined,
      arguments: sent.arguments,
      version: request.tool.version ?? undefined,
    };
    const result = await send(transport, request, { headers: sent.headers, body: JSON.stringify(wire) });
    results.push(result);
    return result;
  };
}

async function send(
  transport: Transport,
  request: ExecuteRequest,
  wire: Pick<WireRequest, 'headers' | 'body'>,
): Promise<ExecuteResult> {
  let answer: WireAnswer;
  try {
    answer = await transport.send({
      method: 'POST',
      path: `/tools/execute/${pathSegment(request.tool.slug)}`,
      ...wire,
      timeoutMs: request.timeoutMs,
      signal: request.signal,
      beforeSend: request.beforeSend,
    });
  } catch (error) {
    throw error instanceof BeforeSendError ? error.thrown : classifyTransportError(error, 'execute');
  }
  if (answer.status < 200 || answer.status >= 300) throw classifyAnswer(answer, 'execute');
  // Reading tens of megabytes takes a second or more: between that and writing them down the worker's heartbeats get their turn.
  if (answer.text.length > LARGE_CHARS) await sleep(0);
  const result = readExecuteAnswer(answer);
  if (answer.text.length > LARGE_CHARS) await sleep(0);
  return result;
}

function refuse(message: string): ComposioFailure {
  return new ComposioFailure(message, { kind: 'tenant_violation', outcome: 'not_sent' });
}
