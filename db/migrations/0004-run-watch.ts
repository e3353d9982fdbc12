/** Readers of a run's events are woken by NOTIFY, runs that nobody watches cost nothing. Never edited after it landed. */
import { type Kysely, sql } from 'kysely';

/**
 * A commit that notifies takes a lock of the whole cluster until it is on disk, so writers that commit at once wait for
 * one another. Only runs that somebody watches now notify; the condition is decided on the row at hand, without a look-up
 * and without calling the function.
 */
const CHANGES = `
alter table runs add column watched_until timestamptz;

create function notify_run_changed() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  perform pg_notify('bellhop_runs', new.id);
  return null;
end
$$;

create trigger runs_notify_watchers after update on runs for each row
  when (new.watched_until > now()
    and (new.last_event_seq <> old.last_event_seq or new.status <> old.status))
  execute function notify_run_changed();
`;

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(CHANGES).execute(db);
}
