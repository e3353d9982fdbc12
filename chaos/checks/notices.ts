/** Everybody was told of what concerns them, once: by what the receiver got, counted by its ids. */
import type { BreakOp, Entry, RunOp } from '../entry.ts';
import type { EpisodeRow } from '../evidence.ts';
import { type Record, groupBy } from '../record.ts';
import type { Violation } from './violation.ts';

const BROKEN = ['EXPIRED', 'FAILED', 'INACTIVE', 'REVOKED'];
/** Of what is over by the time that it would be told: nobody needs to connect what is connected again. */
const MAY_BE_OUTDATED = ['connection.expired', 'run.waiting_for_connection', 'approval.requested'];
/** The sweep starts a delivery again that nothing touched for ten minutes; a pass of it comes every minute. */
const OVERDUE_MS = 13 * 60_000;
/** From a break to the first look at it, and from the look to the log's line. */
const SLACK_MS = 2_000;

type Told = ReadonlySet<string>;

export function checkNotices(record: Record): readonly Violation[] {
  const told: Told = new Set(record.arrivals.filter(({ answered }) => answered === 204).map(({ id }) => id));
  return [
    ...arrivals(record),
    ...deliveries(record, told),
    ...ends(record, told),
    ...breaks(record),
    ...seenAndNotTold(record, told),
    ...brokenAtTheEnd(record),
  ].map((what) => ({ kind: 'notice' as const, what }));
}

/** How many are still to come, and may be: not late yet. */
export function countPending({ notices, entries }: Record): number {
  return notices.filter((n) => n.delivery === 'pending' && !isOverdue(n, lastAt(entries))).length;
}

const lastAt = (entries: readonly Entry[]): number => entries.at(-1)?.at ?? 0;
const isOverdue = ({ createdAt }: { createdAt: number }, end: number): boolean =>
  end - createdAt > OVERDUE_MS;

function arrivals({ arrivals, notices }: Record): string[] {
  const known = new Map(notices.map((notice) => [notice.id, notice]));
  const byId = groupBy(arrivals, ({ id }) => id);
  return [...byId].flatMap(([id, same]) => {
    const [first] = same;
    if (first?.type === 'unverified') return [`notice ${id} came with a signature that is not right`];
    const notice = known.get(id);
    if (!notice) return [`notice ${id} (${first?.type}) came, and the product does not know it`];
    return same.some(({ userId, type }) => userId !== notice.user || type !== notice.type)
      ? [`notice ${id} came with different contents`]
      : [];
  });
}

function deliveries({ notices, entries }: Record, told: Told): string[] {
  return notices.flatMap((notice) => {
    if (notice.delivery === 'delivered' && !told.has(notice.id))
      return [`notice ${notice.id} (${notice.type}) counts as delivered and never came`];
    if (notice.delivery === 'skipped' && !MAY_BE_OUTDATED.includes(notice.type))
      return [`notice ${notice.id} (${notice.type}) was set aside`];
    if (notice.delivery === 'failed') return [`notice ${notice.id} (${notice.type}) was given up`];
    if (notice.delivery === 'pending' && isOverdue(notice, lastAt(entries)))
      return [`notice ${notice.id} (${notice.type}) is overdue`];
    return [];
  });
}

function ends({ runs, notices }: Record, told: Told): string[] {
  const byRun = groupBy(notices, ({ type, runId }) =>
    type === 'run.completed' || type === 'run.failed' ? runId : null,
  );
  return runs.flatMap(({ id, status }) => {
    const expected = status === 'completed' || status === 'failed' ? 1 : 0;
    const same = byRun.get(id) ?? [];
    const isRight = same.length === expected && same.every(({ type }) => type === `run.${status}`);
    if (!isRight) return [`run ${id} is ${status} and has ${same.length} notices of its end`];
    return same
      .filter((notice) => notice.delivery !== 'pending' && !told.has(notice.id))
      .map(() => `nobody was told that run ${id} is ${status}`);
  });
}

/** Nobody is told more often than something broke. */
function breaks(record: Record): string[] {
  const broken = groupBy(breakOps(record), pairOf);
  const episodes = groupBy(record.episodes, pairOf);
  const noticed = groupBy(
    record.notices.filter(({ type }) => type === 'connection.expired'),
    ({ user, app }) => `${user}/${app}`,
  );
  return [...new Set([...episodes.keys(), ...noticed.keys()])].flatMap((pair) => {
    const times = broken.get(pair)?.length ?? 0;
    const seen = episodes.get(pair)?.length ?? 0;
    const told = noticed.get(pair)?.length ?? 0;
    return [
      ...(seen > times ? [`${pair} broke ${times} times, and ${seen} episodes were opened`] : []),
      ...(told === seen ? [] : [`${pair} had ${seen} episodes, and ${told} notices`]),
    ];
  });
}

type Break = BreakOp & { readonly at: number };

/**
 * An account that is deleted leaves its app unconnected, which is nothing to be told of; but where an account that broke
 * before was left beside it, the app has stopped working once more.
 */
function breakOps({ entries }: Record): readonly Break[] {
  const all = entries
    .filter((entry) => entry.is === 'op')
    .filter((entry) => entry.op === 'break')
    .filter(({ phase }) => phase === 'invoke');
  const leavesBroken = (op: Break): boolean =>
    all.some(
      (earlier) =>
        earlier.at < op.at &&
        earlier.how !== 'deleted' &&
        pairOf(earlier) === pairOf(op) &&
        earlier.accounts.some((account) => !op.accounts.includes(account)),
    );
  return all.filter((op) => op.how !== 'deleted' || leavesBroken(op));
}

const pairOf = ({ user, app }: { user: string; app: string }): string => `${user}/${app}`;

/** A run waited for an app that had stopped working: an episode of it reaches beyond the break, and its notice came. */
function seenAndNotTold(record: Record, told: Told): string[] {
  const broken = groupBy(breakOps(record), pairOf);
  const episodes = groupBy(record.episodes, pairOf);
  const isTold = (episode: EpisodeRow): boolean => {
    const notice = record.notices.find(({ key }) => key === `episode:${episode.id}`);
    if (notice === undefined) return false;
    // Set aside is right only when the connection works again.
    const isOutdated = notice.delivery === 'skipped' && episode.closedAt !== null;
    return told.has(notice.id) || notice.delivery === 'pending' || isOutdated;
  };
  return record.entries
    .filter((entry): entry is Entry & RunOp => entry.is === 'op' && entry.op === 'saw-waiting')
    .flatMap(({ at, user, runId, broken: apps }) =>
      (apps ?? []).flatMap((app) => {
        const pair = pairOf({ user, app });
        const since = (broken.get(pair) ?? []).findLast((op) => op.at <= at)?.at;
        if (since === undefined) return [`run ${runId} waited for ${pair}, which nobody had broken`];
        const its = (episodes.get(pair) ?? []).filter(
          ({ openedAt, closedAt }) => openedAt <= at + SLACK_MS && (closedAt ?? Infinity) >= since - SLACK_MS,
        );
        return its.some(isTold) ? [] : [`run ${runId} waited for ${pair}, and nobody was told`];
      }),
    );
}

/** After the audit, what is broken by Composio's own word has an open episode. */
function brokenAtTheEnd(record: Record): string[] {
  const isAudited = record.entries.some((e) => e.is === 'op' && e.op === 'audit' && e.phase === 'ok');
  if (!isAudited) return ['no audit passed after the last fault'];
  const onPurpose = new Set(breakOps(record).flatMap(({ accounts }) => accounts));
  const open = new Set(record.episodes.filter(({ closedAt }) => closedAt === null).map(pairOf));
  return [...groupBy(record.accounts, pairOf)].flatMap(([pair, accounts]) => {
    const works = accounts.some(({ status }) => status === 'ACTIVE');
    const broke = accounts.some(({ id, status }) => BROKEN.includes(status) && onPurpose.has(id));
    return !works && broke && !open.has(pair) ? [`${pair} is broken at the end, and nobody was told`] : [];
  });
}
