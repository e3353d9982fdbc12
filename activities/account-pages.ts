/** Composio's list of accounts, page by page: how audit and sweep read accounts of many users. Judges nothing. */
import { ComposioFailure } from '../composio/failure.ts';
import type { ComposioPort, ConnectionPage, ConnectionQuery } from '../composio/port.ts';
import { waitOutLimit } from './wait-out-limit.ts';

/** Composio documents no maximum, and shows fewer where its own limit is smaller: the cursor tells, not the number. */
const PAGE_LIMIT = 100;

export type PageOptions = {
  readonly signal: AbortSignal;
  /** Called for each request that is made. */
  readonly onRequest?: () => void;
  /** Waits in its place when Composio's limit leaves no room, instead of failing. */
  readonly isPatient?: boolean;
};

/** All pages of a question. A cursor that was followed before leads to what was seen before: that is the end of the list. */
export async function* accountPages(
  composio: ComposioPort,
  query: ConnectionQuery,
  options: PageOptions,
): AsyncGenerator<ConnectionPage> {
  const followed = new Set<string>();
  let cursor = query.cursor ?? null;
  do {
    if (cursor !== null) followed.add(cursor);
    const page = await askPage(composio, { ...query, ...(cursor === null ? {} : { cursor }) }, options);
    yield page;
    cursor = page.nextCursor;
  } while (cursor !== null && !followed.has(cursor));
}

/** One page. */
export async function askPage(
  composio: ComposioPort,
  query: ConnectionQuery,
  { signal, onRequest, isPatient }: PageOptions,
): Promise<ConnectionPage> {
  const ask = async (): Promise<ConnectionPage> => {
    try {
      const page = await composio.listConnections({ limit: PAGE_LIMIT, ...query }, { signal });
      onRequest?.();
      return page;
    } catch (error) {
      // Our own budget had nothing left: nobody was asked.
      const isUnsent = error instanceof ComposioFailure && error.kind === 'rate_limited' && !error.httpStatus;
      if (!isUnsent) onRequest?.();
      throw error;
    }
  };
  return isPatient === true ? await waitOutLimit(ask, signal) : await ask();
}
