/** Small pieces that every view uses: states, times, refusals, empty lists, folded content. */
import type { ReactNode } from 'react';
import { useSyncExternalStore } from 'react';
import { ApiError } from './api.ts';
import type { Kind } from './words.ts';
import { wordsOf } from './words.ts';

export function Status({ kind, status }: { readonly kind: Kind; readonly status: string }) {
  const [words, tone] = wordsOf(kind, status);
  return <span className={`status ${tone}`}>{words}</span>;
}

/** All times on a page move together, twice a minute: a text that changed each second would only be noise. */
const TICK_MS = 30_000;
function subscribeToTick(onTick: () => void): () => void {
  const timer = window.setInterval(onTick, TICK_MS);
  return () => window.clearInterval(timer);
}
const now = (): number => Math.floor(Date.now() / TICK_MS) * TICK_MS;

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
/** Older than this the day says more than its distance. */
const RELATIVE_DAYS = 7;

/** `3 minutes ago`, with the exact time for who points at it. */
export function Ago({ time }: { readonly time: string }) {
  const at = useSyncExternalStore(subscribeToTick, now);
  const date = new Date(time);
  const distance = date.getTime() - Math.max(at, date.getTime());
  const unit = UNITS.find(([, ms]) => -distance >= ms);
  const isOld = -distance > RELATIVE_DAYS * 86_400_000;
  const text = unit ? relative.format(Math.ceil(distance / unit[1]), unit[0]) : 'just now';
  return (
    <time dateTime={time} title={exact.format(date)}>
      {isOld ? exact.format(date) : text}
    </time>
  );
}

export function Clock({ time }: { readonly time: string }) {
  return (
    <time dateTime={time} title={exact.format(new Date(time))}>
      {clock.format(new Date(time))}
    </time>
  );
}

export function duration(from: string, to: string): string {
  const ms = Date.parse(to) - Date.parse(from);
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/** What went wrong and what to do about it. */
export function Refusal({ error, onRetry }: { readonly error: unknown; readonly onRetry?: () => void }) {
  if (error === null || error === undefined) return null;
  const text = error instanceof Error ? error.message : 'Something went wrong.';
  const id = error instanceof ApiError ? error.members['instance'] : undefined;
  return (
    <div className="refusal" role="alert">
      <p>{text}</p>
      {typeof id === 'string' && error instanceof ApiError && error.status >= 500 ? (
        <p className="soft">Look for this id in the API’s log: {id}</p>
      ) : null}
      {onRetry ? (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

type EmptyProps = {
  readonly title: string;
  /** 1: there is nothing else on the page. */
  readonly level?: 1 | 2;
  readonly children: ReactNode;
};

export function Empty({ title, level = 2, children }: EmptyProps) {
  const Heading = `h${level}` as const;
  return (
    <div className="empty">
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}

/** Room for what is being read, so that nothing jumps when it comes. */
export function Loading({ rows = 3 }: { readonly rows?: number }) {
  return (
    <div className="loading" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} />
      ))}
    </div>
  );
}

export function Json({ label, value }: { readonly label: string; readonly value: unknown }) {
  if (value === undefined || value === null) return null;
  return (
    <div className="json">
      <h3>{label}</h3>
      {/* It can be scrolled, so the keyboard must get there. */}
      <pre tabIndex={0} role="region" aria-label={label}>
        {typeof value === 'string' ? value : JSON.stringify(value, null, 2)}
      </pre>
    </div>
  );
}

export function More({
  query,
}: {
  readonly query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  if (!query.hasNextPage) return null;
  return (
    <button
      type="button"
      className="more"
      disabled={query.isFetchingNextPage}
      onClick={() => void query.fetchNextPage()}
    >
      {query.isFetchingNextPage ? 'Loading …' : 'Show more'}
    </button>
  );
}
