/**
 * Looks into what Composio's webhook told. Whose account it is, of which app and in which state is read from Composio, for
 * many users by one question; what that shows is settled as the audit settles it. The event itself decides nothing: the user
 * it names is only where to look first.
 */
import { Context } from '@temporalio/activity';
import { ComposioFailure } from '../composio/failure.ts';
import { asSystem } from '../db/scope.ts';
import { knownUserIds } from '../db/users.ts';
import { type PendingWebhookEvent, settleWebhookEvents, takeWebhookEvents } from '../db/webhook-events.ts';
import { cutToUrl } from '../domain/cut-to-url.ts';
import { BROKEN_STATUSES, type WebhookEventOutcome } from '../domain/statuses.ts';
import type { ActivityDeps } from './deps.ts';
import { readAccounts } from './read-accounts.ts';
import { running } from './running.ts';
import { settleUsers } from './settle-users.ts';

/** As many users as one question to Composio names; an attempt that dies repeats no more than this. */
const BATCH = 100;
/** Accounts that Composio fails at, one after the other: then it is not about them. */
const DOWN_AFTER = 5;

export function createWebhookActivities(deps: ActivityDeps) {
  return {
    /** Safe to repeat. @throws when Composio is down: what is not settled stays, and the next attempt takes others first. */
    async settleWebhookEvents(): Promise<{ isLast: boolean }> {
      return running(async ({ cancellationSignal: signal }) => {
        const events = await asSystem(deps.db, (tx) => takeWebhookEvents(tx, BATCH));
        const left = await settleNamed(deps, events, signal);
        await settleByAccount(deps, left, signal);
        return { isLast: events.length < BATCH };
      });
    },
  };
}

/** Those that name a user of ours. @returns the others, and those whose account that user does not have. */
async function settleNamed(
  deps: ActivityDeps,
  events: readonly PendingWebhookEvent[],
  signal: AbortSignal,
): Promise<readonly PendingWebhookEvent[]> {
  const named = [...new Set(events.flatMap(({ namedUser }) => namedUser ?? []))];
  const known = await asSystem(deps.db, (tx) => knownUserIds(tx, named));
  const { owners, refused } = await settleAll(deps, [...known].sort(), signal);
  const isRead = (event: PendingWebhookEvent): boolean =>
    event.namedUser !== null && owners.get(event.accountId) === event.namedUser;
  await settle(deps, events.filter(isRead), 'read');
  const isRefused = ({ namedUser }: PendingWebhookEvent): boolean =>
    namedUser !== null && refused.has(namedUser);
  await settle(
    deps,
    events.filter((event) => !isRead(event) && isRefused(event)),
    'refused',
  );
  return events.filter((event) => !isRead(event) && !isRefused(event));
}

/** The account says whose it is. One that Composio fails at does not keep the others waiting. */
async function settleByAccount(
  deps: ActivityDeps,
  events: readonly PendingWebhookEvent[],
  signal: AbortSignal,
): Promise<void> {
  const byOwner = new Map<string, PendingWebhookEvent[]>();
  let failure: unknown = null;
  let failuresInARow = 0;
  for (const [accountId, those] of Map.groupBy(events, (event) => event.accountId)) {
    signal.throwIfAborted();
    try {
      const account = await deps.composio.getConnection(accountId, { signal });
      failuresInARow = 0;
      if (account === null) await settle(deps, those, 'gone');
      else byOwner.set(account.entityId, [...(byOwner.get(account.entityId) ?? []), ...those]);
    } catch (error) {
      if (!(error instanceof ComposioFailure)) throw error;
      if (error.kind === 'rejected' || error.kind === 'invalid_arguments')
        await settle(deps, those, 'refused');
      else {
        failure = error;
        failuresInARow += 1;
        // It is about Composio itself: there is no use in asking for the next one.
        if (error.kind !== 'transient' || failuresInARow >= DOWN_AFTER) break;
      }
    }
  }
  const known = await asSystem(deps.db, (tx) => knownUserIds(tx, [...byOwner.keys()]));
  const { refused } = await settleAll(deps, [...known].sort(), signal);
  for (const [owner, those] of byOwner)
    await settle(deps, those, !known.has(owner) ? 'foreign' : refused.has(owner) ? 'refused' : 'read');
  if (failure !== null) throw failure;
}

/** Reads these users' accounts and settles what they show. @returns whose each account is, and the users that cannot be read. */
async function settleAll(
  deps: ActivityDeps,
  userIds: readonly string[],
  signal: AbortSignal,
): Promise<{ owners: ReadonlyMap<string, string>; refused: ReadonlySet<string> }> {
  const owners = new Map<string, string>();
  const refused = new Set<string>();
  for (let rest = userIds; rest.length > 0;) {
    const ids = cutToUrl(rest);
    rest = rest.slice(ids.length);
    const askedAt = performance.now();
    const question = { userIds: ids, statuses: [...BROKEN_STATUSES, 'ACTIVE' as const] };
    const { accounts, unreadable } = await readAccounts(deps.composio, question, { signal });
    for (const { userId } of unreadable) refused.add(userId);
    for (const account of accounts) owners.set(account.id, account.entityId);
    await settleUsers(deps, {
      auditId: null,
      userIds: ids.filter((userId) => !refused.has(userId)),
      accounts,
      askedAt,
      signal,
      onUnstorable: (userId) => refused.add(userId),
    });
  }
  return { owners, refused };
}

async function settle(
  deps: ActivityDeps,
  events: readonly PendingWebhookEvent[],
  outcome: WebhookEventOutcome,
): Promise<void> {
  if (events.length === 0) return;
  const ids = events.map(({ id }) => id);
  await asSystem(deps.db, (tx) => settleWebhookEvents(tx, ids, outcome));
  Context.current().log.info('events of the webhook are settled', { outcome, count: ids.length });
}
