/**
 * `POST /tools/execute/{slug}`: the only route with effects at a provider. Everything that can be refused is refused
 * before the effect; the effect is one line of the journal.
 */
import type { Json, JsonObject } from '../../../domain/json.ts';
import type { ApiRequest, Handler } from '../api-request.ts';
import { isJsonObject, json, optionalText } from '../api-request.ts';
import { checkArguments } from '../catalogue/argument-check.ts';
import { type CatalogueTool, findTool } from '../catalogue/catalogue.ts';
import type { Account } from '../state/account.ts';
import { nanoId } from '../state/ids.ts';
import type { SandboxState } from '../state/sandbox-state.ts';
import { badRequest, toolNotFound, WireError } from '../wire-error.ts';
import { knownVersion } from './tools.ts';

export const executeTool: Handler = (state, request) => {
  const call = checkedCall(state, request);
  if (
    call.account?.revokedAtProvider ||
    (isTooFresh(state, call.account) && state.settings.freshFailure === 'revoked')
  )
    return json(200, failedExecution('token_revoked'));
  const outcome = call.tool.definition.run(call.args, {
    accountName: call.account?.accountName ?? '',
    sequence: state.journal.size + 1,
    now: new Date().toISOString(),
    recent: (slug) => (call.account ? state.journal.recent(call.account.id, slug) : []),
  });
  if ('error' in outcome) return json(200, failedExecution(outcome.error));
  const logId = nanoId('log_');
  recordEffect(state, call, logId);
  return json(200, { data: outcome.data, error: null, successful: true, log_id: logId, session_info: null });
};

/**
 * What a provider that says no looks like: HTTP 200 with `successful: false`. `didIt`: it had done the thing already.
 * The checks before it are those of a real execution.
 */
export function executeUnsuccessfully(
  state: SandboxState,
  request: ApiRequest,
  failure: { readonly error: string; readonly data: unknown; readonly didIt: boolean },
): ReturnType<Handler> {
  const call = checkedCall(state, request);
  const answer = failedExecution(failure.error, failure.data);
  if (failure.didIt) recordEffect(state, call, answer.log_id);
  return json(200, answer);
}

type Call = {
  readonly tool: CatalogueTool;
  readonly account: Account | null;
  readonly userId: string | null;
  readonly args: JsonObject;
};

/** @throws WireError with the codes that Composio uses. */
function checkedCall(state: SandboxState, request: ApiRequest): Call {
  const tool = findTool(request.id);
  const version = optionalText(request.body, 'version');
  if (!tool || (version !== null && knownVersion(version) === null)) throw toolNotFound(request.id);
  const userId = optionalText(request.body, 'user_id');
  const account = tool.toolkit.noAuth ? null : actingAccount(state, { request, tool, userId });
  const args: Json = request.body['arguments'] ?? {};
  if (!isJsonObject(args)) throw badRequest('arguments must be an object');
  const problems = checkArguments(tool.definition.input, args);
  if (problems.length > 0) {
    throw new WireError(`Invalid request data provided\n- ${problems.join('\n- ')}`, {
      status: 400,
      code: 1801,
      slug: 'ActionExecute_InvalidRequestData',
      fix: "Give arguments that fit the tool's input_parameters",
    });
  }
  return { tool, account, userId, args };
}

function actingAccount(
  state: SandboxState,
  { request, tool, userId }: { request: ApiRequest; tool: CatalogueTool; userId: string | null },
): Account {
  if (userId === null) {
    throw new WireError('User ID is required with connected account.', {
      status: 400,
      code: 1811,
      slug: 'ActionExecute_ConnectedAccountEntityIdRequired',
      fix: 'Provide user_id',
    });
  }
  const accountId = optionalText(request.body, 'connected_account_id');
  const account = accountId === null ? newestActive(state, userId, tool) : state.accounts.get(accountId);
  if (!account) throw accountMissing(userId, tool);
  refuseUnusable(state, { account, userId, tool });
  if (isTooFresh(state, account)) refuseFresh(state, { account, userId, tool });
  return account;
}

/** Composio shows ACTIVE a moment before its executions know of it. */
function isTooFresh(state: SandboxState, account: Account | null): boolean {
  const consentedAt = account?.consentedAt ?? null;
  return consentedAt !== null && Date.now() < consentedAt + state.settings.freshFailureMs;
}

function refuseFresh(
  state: SandboxState,
  { account, userId, tool }: { account: Account; userId: string; tool: CatalogueTool },
): void {
  if (state.settings.freshFailure === 'not_connected') throw accountMissing(userId, tool);
  if (state.settings.freshFailure === 'expired') throw accountExpired(account);
}

function accountMissing(userId: string, tool: CatalogueTool): WireError {
  return new WireError(`No connected account found for user ID ${userId} for toolkit ${tool.toolkit.slug}`, {
    status: 404,
    code: 1810,
    slug: 'ActionExecute_ConnectedAccountNotFound',
    fix: `Connect your ${tool.toolkit.slug} account first`,
  });
}

function accountExpired(account: Account): WireError {
  return new WireError(`Connected account ${account.id} is in EXPIRED state`, {
    status: 410,
    code: 1820,
    slug: 'ActionExecute_ConnectedAccountExpired',
    fix: 'Reconnect the account',
  });
}

/** Ownership first: a foreign account must not even tell its status. */
function refuseUnusable(
  state: SandboxState,
  { account, userId, tool }: { account: Account; userId: string; tool: CatalogueTool },
): void {
  if (account.userId !== userId) {
    throw new WireError('Connected account user ID does not match the provided user ID.', {
      status: 400,
      code: 1812,
      slug: 'ActionExecute_ConnectedAccountEntityIdMismatch',
      fix: 'The connected_account_id you provided belongs to a different entity.',
    });
  }
  const authConfig = state.authConfigs.get(account.authConfigId);
  if (account.toolkit !== tool.toolkit.slug || (authConfig && authConfig.toolkit !== tool.toolkit.slug)) {
    throw new WireError(
      `Connected account ${account.id} is of toolkit ${account.toolkit}, not ${tool.toolkit.slug}`,
      { status: 400, code: 1813, slug: 'ActionExecute_ConnectedAccountToolkitMismatch' },
    );
  }
  if (account.status === 'EXPIRED') throw accountExpired(account);
  if (account.status !== 'ACTIVE' || account.disabled || authConfig?.isDisabled) {
    const state = account.status === 'ACTIVE' ? 'disabled' : `in ${account.status} state`;
    throw new WireError(`Connected account ${account.id} is ${state}, it must be ACTIVE`, {
      status: 422,
      code: 1821,
      slug: 'ActionExecute_ConnectedAccountNotActive',
      fix: 'Complete the connection first',
    });
  }
}

/** The account Composio picks when none is named. An EXPIRED one is picked too when it is all there is, and then refused. */
function newestActive(state: SandboxState, userId: string, tool: CatalogueTool): Account | undefined {
  const mine = [...state.accounts.ofUser(userId)]
    .filter((account) => account.toolkit === tool.toolkit.slug)
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  return (
    mine.find((account) => account.status === 'ACTIVE' && !account.disabled) ??
    mine.find((account) => account.status === 'EXPIRED')
  );
}

function recordEffect(state: SandboxState, call: Call, logId: string): void {
  state.journal.append({
    slug: call.tool.definition.slug,
    toolkit: call.tool.toolkit.slug,
    accountId: call.account?.id ?? null,
    accountOwner: call.account?.userId ?? null,
    userId: call.userId,
    arguments: call.args,
    logId,
    readOnly: call.tool.isReadOnly,
  });
}

function failedExecution(error: string, data: unknown = {}) {
  return { data, error, successful: false, log_id: nanoId('log_'), session_info: null };
}
