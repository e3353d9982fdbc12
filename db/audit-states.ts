/** What the audit reads of many users at once, as the system role: pages of them, and what is known of their apps. One statement each. */
import type { AccountKnowledge } from '../domain/gate.ts';
import { type KnowledgeRow, accountKnowledgeQuery, toAccountKnowledge } from './connections.ts';
import type { Statement } from './statement.ts';

export type AuditUser = {
  readonly userId: string;
  /** An app of theirs is told to be broken: it may work by now, though nothing shows it as broken. */
  readonly isTold: boolean;
};

// A probe of the index per user: as `exists`, it could be planned as a pass over all open episodes for each page.
const PAGE_USERS = `
select u.user_id, e.one is not null as is_told
from (select user_id from users where user_id > $1 order by user_id limit $2) u
left join lateral (
  select 1 as one from connection_episodes e where e.user_id = u.user_id and e.closed_at is null limit 1
) e on true
order by u.user_id`;

/** A keyset page of all users, in byte order. */
export function pageUsersToAudit(page: {
  after: string | null;
  limit: number;
}): Statement<readonly AuditUser[]> {
  return {
    text: PAGE_USERS,
    values: [page.after ?? '', page.limit],
    read: (rows) =>
      (rows as { user_id: string; is_told: boolean }[]).map((row) => ({
        userId: row.user_id,
        isTold: row.is_told,
      })),
  };
}

const PAGE_TOLD = `
select distinct user_id from connection_episodes
where closed_at is null and user_id > $1 order by user_id limit $2`;

/** A keyset page of the users with an open episode. */
export function pageToldUsers(page: { after: string | null; limit: number }): Statement<readonly string[]> {
  return { text: PAGE_TOLD, values: [page.after ?? '', page.limit], read: readUserIds };
}

const FIND_UNTOLD = `
select u.user_id from users u
where u.user_id = any($1::text[]) and not exists (
  select 1 from connection_episodes e where e.user_id = u.user_id and e.closed_at is null)`;

/** Of these ids, the users of ours without an open episode. */
export function findUntoldUsers(ids: readonly string[]): Statement<readonly string[]> {
  return { text: FIND_UNTOLD, values: [ids], read: readUserIds };
}

/** What is known of one user's apps that the audit may have to write about. */
export type AuditState = {
  /** Apps with an open episode; true: it was opened since this audit began. */
  readonly told: ReadonlyMap<string, boolean>;
  /** Apps with an open flow that has at least half of its life before it. */
  readonly linked: ReadonlySet<string>;
  /** Notices of open episodes that nobody has tried to deliver. */
  readonly undelivered: readonly string[];
};

const LOAD_STATES = `
select user_id, app, 'told' as what, opened_at >= (select started_at from audits where id = $2::text) as is_new, null as notice_id
from connection_episodes where user_id = any($1::text[]) and closed_at is null
union all
select user_id, app, 'linked', false, null
from connection_flows
where user_id = any($1::text[]) and status = 'open' and expires_at > now() + $3::float8 / 2 * interval '1 millisecond'
union all
select e.user_id, e.app, 'undelivered', false, n.id
from connection_episodes e
join notices n on n.dedupe_key = 'episode:' || e.id
where e.user_id = any($1::text[]) and e.closed_at is null and exists (
  select 1 from deliveries d where d.notice_id = n.id and d.status = 'pending' and d.attempts = 0)`;

type StateRow = {
  readonly user_id: string;
  readonly app: string;
  readonly what: 'told' | 'linked' | 'undelivered';
  readonly is_new: boolean;
  readonly notice_id: string | null;
};

/** For any of these users; who is not in the rows has nothing open. */
export function loadAuditStates(query: {
  /** Null: nothing is new. */
  auditId: string | null;
  userIds: readonly string[];
  flowTimeoutMs: number;
}): Statement<(userId: string) => AuditState> {
  return {
    text: LOAD_STATES,
    values: [query.userIds, query.auditId, query.flowTimeoutMs],
    read: (rows) => {
      const byUser = Map.groupBy(rows as readonly StateRow[], (row) => row.user_id);
      return (userId) => {
        const mine = byUser.get(userId) ?? [];
        return {
          told: new Map(
            mine.filter((row) => row.what === 'told').map((row) => [row.app, row.is_new] as const),
          ),
          linked: new Set(mine.filter((row) => row.what === 'linked').map((row) => row.app)),
          undelivered: mine.flatMap((row) => (row.notice_id === null ? [] : [row.notice_id])),
        };
      };
    },
  };
}

const LOAD_KNOWLEDGE = `
select u.user_id, k.* from unnest($1::text[]) as u (user_id)
cross join lateral (${accountKnowledgeQuery('u.user_id', 'null::text[]')}) k`;

/** What the gate must know of each user's accounts (see db/connections.ts), all apps. */
export function loadKnowledgeOf(
  userIds: readonly string[],
): Statement<(userId: string) => (app: string) => AccountKnowledge> {
  return {
    text: LOAD_KNOWLEDGE,
    values: [userIds],
    read: (rows) => {
      const byUser = Map.groupBy(
        rows as readonly (KnowledgeRow & { readonly user_id: string })[],
        (row) => row.user_id,
      );
      return (userId) => toAccountKnowledge(byUser.get(userId) ?? []);
    },
  };
}

function readUserIds(rows: readonly unknown[]): readonly string[] {
  return (rows as { user_id: string }[]).map((row) => row.user_id);
}
