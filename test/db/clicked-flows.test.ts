/** How many open flows are polled for: those that somebody clicked within an attempt's life, counted by an index. */
import { expect, test } from 'vitest';
import { sql } from 'kysely';
import { countClickedFlows } from '../../db/clicked-flows.ts';
import { endFlow, noteFlowClicked } from '../../db/flows.ts';
import { asSystemOnce } from '../../db/scope.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
const count = (most = 1_000) => asSystemOnce(the().db, countClickedFlows(most));

test('counts open flows that were clicked in the last 12 minutes, to a limit', async () => {
  const flows = await Promise.all(
    Array.from({ length: 5 }, async () => await the().newFlow(await the().newUser())),
  );
  expect(await count()).toBe(0);
  const [first, second, third] = flows;
  for (const flow of [first, second, third]) await the().system((tx) => noteFlowClicked(tx, flow?.id ?? ''));
  expect([await count(), await count(2)]).toEqual([3, 2]);
  await the().system((tx) => endFlow(tx, first?.id ?? '', 'cancelled', 'x'));
  await the().system((tx) =>
    sql`update connection_flows set last_go_at = now() - interval '13 minutes' where id = ${second?.id}`.execute(
      tx,
    ),
  );
  expect(await count()).toBe(1);
});

test('reads no flow but through the index of clicked ones', async () => {
  const { text, values } = countClickedFlows(100);
  const { raw } = the();
  await raw("insert into users (user_id) select 'many' || i from generate_series(1, 3000) i");
  await raw(`insert into connection_flows (id, user_id, app, app_name, token, expires_at)
    select 'many' || i, 'many' || i, 'slack', 'Slack', 'many' || i, now() + interval '7 days' from generate_series(1, 3000) i`);
  await raw('analyze connection_flows');
  const plan = await raw<{ 'QUERY PLAN': string }>(`explain ${text.replace('$1::int', String(values[0]))}`);
  expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('connection_flows_clicked');
});
