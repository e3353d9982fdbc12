/** What a run leaves in Temporal's history: events and bytes per turn, from 5 to 80 turns, and per further parallel call. */
import { join } from 'node:path';
import { createDatabase } from '../db/pool.ts';
import { forUser } from '../db/scope.ts';
import { putUser } from '../db/users.ts';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { AGENT_RUN, runWorkflowId } from '../workflows/messages.ts';
import { acceptBenchRun, scriptedTask } from './accept.ts';
import { printTable, round } from './figures.ts';
import { startMeasured } from './measured-child.ts';
import { openStand } from './stand.ts';

const TURNS = [5, 20, 40, 80];
const WIDTHS = [1, 2, 4, 8];
/** Of a UUID: what integrators' ids usually look like. */
const USER = '0191f2a4-7c1e-7d7a-9a55-0d6d4f1f2a10';

export async function runHistory(): Promise<void> {
  const stand = await openStand();
  const db = createDatabase({ url: stand.databaseUrl, name: 'bench' });
  await forUser(db, USER, (tx) => putUser(tx, USER, {}));
  await createSandboxControl(stand.composioUrl).seedAccount({ userId: USER, app: 'slack', status: 'ACTIVE' });
  const worker = startMeasured(join(import.meta.dirname, '..', 'worker', 'main.ts'), {
    ...stand.env,
    LOG_LEVEL: 'info',
  });
  await worker.firstLine(/polls/);
  const measure = async (turns: number, width: number): Promise<{ events: number; bytes: number }> => {
    const runId = await acceptBenchRun(db, USER, scriptedTask(turns, width));
    const args = [{ runId, userId: USER }];
    const handle = await stand.client.workflow.start(AGENT_RUN, {
      workflowId: runWorkflowId(runId),
      taskQueue: 'bellhop',
      args,
    });
    await handle.result();
    const { historyLength, historySize } = await handle.describe();
    return { events: historyLength, bytes: historySize ?? Number.NaN };
  };
  const empty = await measure(0, 1);
  console.log('\nPer turn, less a run without any tool call:\n');
  const rows: string[][] = [['turns', 'calls a turn', 'events', 'bytes', 'events/turn', 'bytes/turn']];
  const cases = [
    ...TURNS.map((turns) => [turns, 1] as const),
    ...WIDTHS.slice(1).map((width) => [5, width] as const),
  ];
  for (const [turns, width] of cases) {
    const { events, bytes } = await measure(turns, width);
    rows.push([
      String(turns),
      String(width),
      String(events),
      String(bytes),
      round((events - empty.events) / turns),
      round((bytes - empty.bytes) / turns, 0),
    ]);
  }
  printTable(rows);
  await worker.stop();
  await db.destroy();
  await stand.close();
}
