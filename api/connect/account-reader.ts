/**
 * Accounts read back from Composio for callbacks. One that comes alone is asked for by its id; those that come in the same moment, or
 * while reads are under way, are asked for together, by their users' ids, a hundred in one request as the audit does: 5,000 callbacks
 * would else use up minutes of the organisation's request limit. Answers go to who asked and are kept by nobody.
 */
import type { ComposioPort, ConnectionPage } from '../../composio/port.ts';
import { cutToUrl } from '../../domain/cut-to-url.ts';
import type { ConnectedAccount } from '../../domain/gate.ts';

export type Wanted = { readonly accountId: string; readonly entityId: string; readonly app: string };
export type ReadAccount = (wanted: Wanted, signal: AbortSignal) => Promise<ConnectedAccount | null>;

/** As the longest wait of a browser for it. */
const READ_MS = 2_000;
/** Reads at once; the rest gathers meanwhile and is one read. */
const AT_ONCE = 2;
/** From the first of those who are read together: a crowd is let in a few at a time. Nobody notices it beside the request itself. */
const GATHER_MS = 10;
/** A hundred users rarely have more accounts of their app than fit on these. */
const MAX_PAGES = 3;
const MAX_USERS = 100;

type Waiter = Wanted & {
  readonly signal: AbortSignal;
  readonly settle: (account: ConnectedAccount | null) => void;
  readonly fail: (error: unknown) => void;
};

export function createAccountReader(composio: ComposioPort): ReadAccount {
  const waiting: Waiter[] = [];
  let reading = 0;
  let isGathering = false;

  const gather = (): void => {
    if (isGathering) return;
    isGathering = true;
    setTimeout(() => {
      isGathering = false;
      pump();
    }, GATHER_MS);
  };
  const pump = (): void => {
    while (reading < AT_ONCE && waiting.length > 0) {
      const batch = takeBatch(waiting);
      reading += 1;
      void readBatch(composio, batch).finally(() => {
        reading -= 1;
        if (waiting.length > 0) gather();
      });
    }
  };

  return (wanted, signal) =>
    new Promise((resolve, reject) => {
      const giveUp = (): void => reject(signal.reason as Error);
      if (signal.aborted) {
        giveUp();
        return;
      }
      signal.addEventListener('abort', giveUp, { once: true });
      const done = (tell: () => void): void => {
        signal.removeEventListener('abort', giveUp);
        tell();
      };
      waiting.push({
        ...wanted,
        signal,
        settle: (account) => done(() => resolve(account)),
        fail: (error) => done(() => reject(error as Error)),
      });
      gather();
    });
}

/** The first, and all behind it of the same app that fit into one address. Who gave up meanwhile is left out. */
function takeBatch(waiting: Waiter[]): Waiter[] {
  const alive = waiting.splice(0).filter(({ signal }) => !signal.aborted);
  const [first] = alive;
  if (!first) return [];
  const sameApp = alive.filter(({ app }) => app === first.app).slice(0, MAX_USERS);
  const fitting = cutToUrl(sameApp.map(({ entityId }) => entityId)).length;
  const batch = new Set(sameApp.slice(0, fitting));
  waiting.push(...alive.filter((waiter) => !batch.has(waiter)));
  return [...batch];
}

/** Never rejects: each waiter hears its own. */
async function readBatch(composio: ComposioPort, batch: readonly Waiter[]): Promise<void> {
  const options = { signal: AbortSignal.timeout(READ_MS) };
  try {
    const found = batch.length > 1 ? await listAccounts(composio, batch, options) : new Map();
    // What the list does not show may be another user's, or be gone: asked for by itself.
    await Promise.all(
      batch.map(async (waiter) => {
        try {
          waiter.settle(
            found.get(waiter.accountId) ?? (await composio.getConnection(waiter.accountId, options)),
          );
        } catch (error) {
          waiter.fail(error);
        }
      }),
    );
  } catch (error) {
    for (const waiter of batch) waiter.fail(error);
  }
}

async function listAccounts(
  composio: ComposioPort,
  batch: readonly Waiter[],
  options: { signal: AbortSignal },
): Promise<ReadonlyMap<string, ConnectedAccount>> {
  const entityIds = [...new Set(batch.map(({ entityId }) => entityId))];
  const apps = [...new Set(batch.map(({ app }) => app))];
  const wanted = new Set(batch.map(({ accountId }) => accountId));
  const found = new Map<string, ConnectedAccount>();
  let cursor: string | null = null;
  for (let i = 0; i < MAX_PAGES && found.size < wanted.size; i += 1) {
    const page: ConnectionPage = await composio.listConnections(
      { entityIds, apps, ...(cursor === null ? {} : { cursor }) },
      options,
    );
    for (const account of page.items) if (wanted.has(account.id)) found.set(account.id, account);
    cursor = page.nextCursor;
    if (cursor === null) break;
  }
  return found;
}
