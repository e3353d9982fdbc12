/** Runs that no workflow drives: their events are written by the test, as activities write them. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { appendEvents } from '../../../db/events.ts';
import { type RunEnd, finishRun } from '../../../db/runs.ts';
import { forUser } from '../../../db/scope.ts';
import { until } from '../../setup/until.ts';
import type { TestApi } from './api.ts';
import { openEvents } from './event-client.ts';

export const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

const LISTENERS = `from pg_stat_activity where application_name = 'bellhop-api-listen' and datname = current_database()`;

export async function createEventRuns(api: TestApi) {
  const { bellhop } = api;
  const userId = `u-${randomUUID()}`;
  await bellhop.putUser(userId);
  /** As the owner of the tables: a role may end its own connections. */
  const inDatabase = async <T extends pg.QueryResultRow>(text: string, values: unknown[] = []) => {
    const client = new pg.Client({ connectionString: bellhop.databaseUrl });
    await client.connect();
    try {
      const results = await client.query<T>(text, values);
      // Of several statements, the last.
      return ([results].flat().at(-1) ?? results).rows;
    } finally {
      await client.end();
    }
  };
  const listenerPid = () =>
    until('a listener', async () => (await inDatabase<{ pid: number }>(`select pid ${LISTENERS}`))[0]?.pid);
  return {
    userId,
    inDatabase,
    open: (runId: string, headers: Record<string, string> = {}) => openEvents(api.url, runId, headers),
    newRun: () => bellhop.accept({ userId, task: 'x', tools: ['SLACK_SEND_MESSAGE'] }),
    /** Writes events in one transaction. */
    tell: (runId: string, count = 1) =>
      forUser(bellhop.db, userId, (tx) =>
        appendEvents(
          tx,
          { id: runId, userId },
          range(1, count).map((i) => ({
            type: 'tool.completed' as const,
            data: { callId: `call_${i}`, tool: 'T', status: 'done' },
          })),
        ),
      ),
    end: (runId: string, how: RunEnd = { status: 'cancelled' }) =>
      forUser(bellhop.db, userId, async (tx) => {
        await finishRun(tx, runId, how);
        await appendEvents(tx, { id: runId, userId }, [{ type: `run.${how.status}` }]);
      }),
    listenerPid,
    /** Resolves when the API listens by another connection. */
    killListener: async () => {
      const pid = await listenerPid();
      await inDatabase('select pg_terminate_backend($1)', [pid]);
      await until('another listener', async () => (await listenerPid()) !== pid);
    },
  };
}
export type EventRuns = Awaited<ReturnType<typeof createEventRuns>>;
