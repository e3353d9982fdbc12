/**
 * Runs one tool for one entity through the SDK. Checks first (owner, app, status, arguments), then lets the SDK make its calls:
 * three look-ups answered here from what was checked, and one request that leaves. At most one, whatever the SDK does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { classifyAnswer, classifyTransportError } from './classify.ts';
import { readExecuteAnswer } from './execute-answer.ts';
import { ComposioFailure } from './failure.ts';
import type { ExecuteRequest, ExecuteResult } from './port.ts';
import { scopeOfAnybody } from './sabotage-skip-scope.ts';
import type { Scope } from './scope.ts';
import { assertSameScope, verifyScope } from './scope.ts';
import type { Shared } from './shared.ts';
import { bridgedToolSet } from './shared.ts';
import type { Transport, WireAnswer, WireRequest } from './transport.ts';
import { BeforeSendError, pathSegment } from './transport.ts';
import type { BridgeRoute } from './v3-bridge.ts';

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
  const routes = [...lookUps(request, scope), sending(shared.transport, request, scope, results)];
  const bridge = await bridgedToolSet(shared, scope.entityId, routes);
  try {
    await bridge.run(
      async (toolset) =>
        await toolset.executeAction({
          action: tool.slug,
          params: request.arguments,
          entityId: scope.entityId,
          ...(scope.accountId !== null && { connectedAccountId: scope.accountId }),
        }),
    );
  } catch (error) {
    // With an answer in hand the call has happened, whatever the SDK made of it.
    if (results.length === 0) throw error;
  }
  // Taken from the wire: the SDK would serialise large results twice, and is given none.
  const [result] = results;
  if (!result)
    throw new ComposioFailure('composio-core sent nothing', { kind: 'rejected', outcome: 'not_sent' });
  return result;
}

/** What the SDK asks before an execution. Each answer is of this call's tool and account only. */
function lookUps({ tool }: ExecuteRequest, scope: Scope): BridgeRoute[] {
  return [
    {
      method: 'get',
      path: /^\/api\/v2\/actions\/([^/]+)$/,
      isLookUp: true,
      answer({ segments }) {
        assertAbout(segments, tool.slug);
        return { name: tool.slug, appKey: tool.app, appName: tool.app };
      },
    },
    {
      method: 'get',
      path: /^\/api\/v1\/apps\/([^/]+)$/,
      isLookUp: true,
      answer({ segments }) {
        assertAbout(segments, tool.app);
        return { key: tool.app, no_auth: scope.accountId === null };
      },
    },
    {
      method: 'get',
      path: /^\/api\/v1\/connectedAccounts\/([^/]+)$/,
      isLookUp: true,
      answer({ segments }) {
        assertAbout(segments, scope.accountId);
        return { id: scope.accountId, appName: tool.app, status: 'ACTIVE' };
      },
    },
  ];
}

function sending(
  transport: Transport,
  request: ExecuteRequest,
  scope: Scope,
  results: ExecuteResult[],
): BridgeRoute {
  let isUsed = false;
  return {
    method: 'post',
    path: /^\/api\/v2\/actions\/([^/]+)\/execute$/,
    async answer({ segments, body, entityId, headers }) {
      assertAbout(segments, request.tool.slug);
      const { connectedAccountId, input } = body as { connectedAccountId?: string; input?: unknown };
      assertSameScope({ entityId, accountId: connectedAccountId ?? null }, scope);
      if (isUsed) throw refuse('composio-core tried to execute the same call twice');
      isUsed = true;
      const wire = {
        user_id: entityId,
        connected_account_id: connectedAccountId,
        arguments: input,
        version: request.tool.version ?? undefined,
      };
      const result = await send(transport, request, { headers, body: JSON.stringify(wire) });
      results.push(result);
      return { successful: result.successful, error: result.error, data: {} };
    },
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

function assertAbout(segments: readonly string[], expected: string | null): void {
  if (segments[0] !== expected) throw refuse('composio-core asked about something else than this call');
}

function refuse(message: string): ComposioFailure {
  return new ComposioFailure(message, { kind: 'tenant_violation', outcome: 'not_sent' });
}
