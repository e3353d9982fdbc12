/**
 * An execution was refused for its account: not connected, expired, or revoked at the provider. The account was ACTIVE when
 * it was chosen, so Composio is asked again before a person is. May throw for another attempt; the call is released then.
 */
import { Context } from '@temporalio/activity';
import { freshnessOf, loadAccountKnowledge, noteRefusedAccount } from '../db/connections.ts';
import { releaseToolCall } from '../db/ledger.ts';
import type { Run } from '../db/runs.ts';
import { forUser } from '../db/scope.ts';
import type { ToolCall } from '../db/transcript.ts';
import type { ConnectedAccount, Resolution } from '../domain/gate.ts';
import type { GateReason } from '../domain/statuses.ts';
import type { ActivityDeps } from './deps.ts';
import { refusedAccountFailure } from './failures.ts';
import { resolveForCall } from './gate.ts';
import { untilWritten } from './until-written.ts';

export type Refusal = {
  readonly reason: GateReason;
  /** The account that stopped working; null when there is none to speak of. */
  readonly account: ConnectedAccount | null;
  /** Composio goes on calling it ACTIVE: only another account will do. */
  readonly refusedAccountId: string | null;
};

/** Another account works already: the next attempt may follow at once. */
const OTHER_ACCOUNT_DELAY_MS = 100;

/** @throws ApplicationFailure while the account is so fresh that it may still come to work, or when another one works already. */
export async function judgeRefusal(
  deps: ActivityDeps,
  { run, call, reason, account }: { run: Run; call: ToolCall; reason: GateReason; account: ConnectedAccount },
): Promise<Refusal> {
  const { userId } = run;
  // Refused is not done: whatever happens to this process from here on, the same call may run again.
  const key = { runId: run.id, callId: call.id, attempt: call.attempts };
  await untilWritten(() => forUser(deps.db, userId, (tx) => releaseToolCall(tx, key, 'pending')));
  const first = await lookAgain(deps, userId, account.app);
  if (first.kind === 'needs_connection')
    return { reason: first.reason, account: first.account, refusedAccountId: null };
  if (first.account.id !== account.id) throw refusedAccountFailure('replaced', OTHER_ACCOUNT_DELAY_MS);
  const graceMs = deps.settings.freshAccountGraceMs;
  const of = { userId, accountId: account.id, app: account.app };
  const fresh = await forUser(deps.db, userId, (tx) => freshnessOf(tx, { ...of, graceMs }));
  if (fresh !== null) throw refusedAccountFailure('fresh', nextLookMs(fresh, graceMs));
  await forUser(deps.db, userId, (tx) => noteRefusedAccount(tx, of));
  // Beside it there may be one that works: then nobody need be asked.
  const second = await lookAgain(deps, userId, account.app);
  if (second.kind === 'ready') throw refusedAccountFailure('replaced', OTHER_ACCOUNT_DELAY_MS);
  // "Not connected" of an account that is listed as ACTIVE: nothing that can be told as broken, but this one will not do.
  return { reason, account: reason === 'missing' ? null : account, refusedAccountId: account.id };
}

async function lookAgain(deps: ActivityDeps, userId: string, app: string): Promise<Resolution> {
  const knowledge = await forUser(deps.db, userId, (tx) => loadAccountKnowledge(tx, userId, [app]));
  const signal = Context.current().cancellationSignal;
  return resolveForCall(deps, userId, app, { knowledge: knowledge(app), signal });
}

/** As long again as the account is old, so slower and slower: of a minute, 2 s at first and 20 s at last. */
export function nextLookMs(fresh: { ageMs: number; leftMs: number }, graceMs: number): number {
  const wanted = Math.min(graceMs / 3, Math.max(graceMs / 30, fresh.ageMs));
  return Math.ceil(Math.min(wanted, fresh.leftMs));
}
