/** A list of the API, page by page, read again while it is looked at. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { read, withQuery } from './api.ts';
import type { Page } from './types.ts';

/** An operator sees within this time what has changed; one page costs the API three statements. */
const REFRESH_MS = 5_000;

export function useList<T>(
  path: string,
  filters: Readonly<Record<string, string>> = {},
  refreshMs = REFRESH_MS,
) {
  const query = useInfiniteQuery({
    queryKey: ['list', path, filters],
    queryFn: ({ pageParam }) =>
      read<Page<T>>(withQuery(path, { ...filters, limit: '25', cursor: pageParam })),
    initialPageParam: '',
    getNextPageParam: (last) => last.nextCursor,
    refetchInterval: refreshMs,
  });
  return { query, items: query.data?.pages.flatMap((page) => page.items) ?? null };
}
