/** Reads an attempt's account back from Composio: what a callback says is a hint, this is the proof. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ComposioFailure } from '../../composio/failure.ts';
import type { Flow } from '../../db/flows.ts';
import { isBrokenStatus } from '../../domain/statuses.ts';
import { toEntityId } from '../../domain/user-id.ts';
import type { ReadAccount } from './account-reader.ts';

// The contract's: when Composio takes longer than this, the browser gets a page that reloads.
const WAIT_MS = 2_000;
/** INITIATED is normal for a moment after a consent; three or four looks are enough in that time. */
const LOOK_INTERVAL_MS = 500;

/** `foreign`: not this user's or not this app's. `ended`: it will not become ACTIVE any more. `unasked`: Composio said nothing. */
export type AccountLook = 'active' | 'pending' | 'foreign' | 'ended' | 'unasked';

export async function lookAtAccount(read: ReadAccount, flow: Flow, accountId: string): Promise<AccountLook> {
  const signal = AbortSignal.timeout(WAIT_MS);
  for (;;) {
    const look = await lookOnce(read, flow, accountId, signal);
    if (look === 'no_room') return 'unasked';
    if (look !== 'pending' && look !== 'unasked') return look;
    if (signal.aborted) return look;
    await sleep(LOOK_INTERVAL_MS);
  }
}

async function lookOnce(
  read: ReadAccount,
  flow: Flow,
  accountId: string,
  signal: AbortSignal,
): Promise<AccountLook | 'no_room'> {
  const entityId = toEntityId(flow.userId);
  try {
    const account = await read({ accountId, entityId, app: flow.app }, signal);
    if (!account) return 'pending';
    if (account.entityId !== entityId || account.app !== flow.app) return 'foreign';
    if (isBrokenStatus(account.status)) return 'ended';
    return account.status === 'ACTIVE' && !account.disabled ? 'active' : 'pending';
  } catch (error) {
    // Thousands may come back at once: where Composio's limit leaves no room for now, nobody is kept waiting for it.
    if (error instanceof ComposioFailure && error.kind === 'rate_limited') return 'no_room';
    // Unreachable is not refused: the page reloads and asks again.
    if (error instanceof ComposioFailure || signal.aborted) return 'unasked';
    throw error;
  }
}
