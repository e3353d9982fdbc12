/** Receivers that said 410, and which notice mailed a flow's link. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

const CHANGES = `
create table gone_receivers (
  url_digest text collate "C" primary key,
  gone_at timestamptz not null default now()
);
alter table gone_receivers enable row level security;
alter table gone_receivers force row level security;
grant select, insert, update, delete on gone_receivers to bellhop_system;
create policy gone_receivers_system on gone_receivers to bellhop_system using (true) with check (true);
-- A user is mailed once per link, however many runs wait for it.
alter table connection_flows add column mail_notice_id text;
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
