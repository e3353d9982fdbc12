/**
 * The API as this session may use it. The key is in a cookie that no script reads; the header says that the request comes
 * from this console's own script.
 */
import type { Page, Problem } from './types.ts';

const OWN = { 'x-bellhop-console': '1' };

/** What the API refused, in its own words. `status` 0: it was not reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly members: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.detail ?? problem.title ?? 'The API does not answer.');
    this.status = status;
    this.code = problem.code ?? '';
    this.members = problem;
  }
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await request(path, {
    method,
    headers: {
      ...OWN,
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T);
}

export const read = <T>(path: string): Promise<T> => call<T>('GET', path);

/** All pages of a list that is known to be short. */
export async function readAll<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await read(withQuery(path, { limit: '100', cursor: cursor ?? '' }));
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}

/** Empty values are left out. */
export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const set = Object.entries(query).filter(([, value]) => value !== '');
  return set.length === 0 ? path : `${path}?${new URLSearchParams(set).toString()}`;
}

export async function openStream(path: string, lastEventId: number, signal: AbortSignal): Promise<Response> {
  return await request(path, {
    signal,
    headers: { ...OWN, accept: 'text/event-stream', 'last-event-id': String(lastEventId) },
  });
}

async function request(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, { detail: 'The API does not answer. Is it running, and are you online?' });
  }
  if (answer.ok) return answer;
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  throw new ApiError(answer.status, problem);
}
