/** What workflow code costs a worker: one recorded run replayed again and again, in the SDK's thread and in ours, round by round. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
// By default import, for Node itself sees no named ones in it.
import proto from '@temporalio/proto';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { BellhopWorker } from '../worker/bellhop-worker.ts';
import { buildWorkflowBundle } from '../worker/workflow-bundle.ts';
import { machineFacts, percentile, printTable, round } from './figures.ts';

const { History } = proto.temporal.api.history.v1;
/** A run that waits, is woken, and calls a tool: six workflow tasks. */
const RECORDED = join(import.meta.dirname, '..', 'test', 'histories', 'agent-run-completes-after-a-row.json');
const SIDES = { 'the SDK’s thread': Worker, 'our thread': BellhopWorker } as const;

export async function runReplay(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      replays: { type: 'string', default: '300' },
    },
  });
  const [rounds, replays] = [Number(values.rounds), Number(values.replays)];
  console.log(`${machineFacts()}\n${rounds} rounds of ${replays} replays a side`);
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const workflowBundle = { code: await buildWorkflowBundle() };
  const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as { readonly history: object };
  const measure = async (side: typeof Worker): Promise<number> => {
    const items = Array.from({ length: replays }, (_, i) => ({
      workflowId: `replay-${i}`,
      history: History.fromObject(recorded.history),
    }));
    const before = process.cpuUsage();
    // Left alone, a replay is in debug mode, for which the code runs in the main thread.
    const options = { workflowBundle, replayName: 'bench', debugMode: false };
    for await (const { error } of side.runReplayHistories(options, items)) if (error) throw error;
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 / replays;
  };
  const rows: Record<string, number[]> = {};
  // Round 0 warms up.
  for (let i = 0; i <= rounds; i += 1)
    for (const [name, side] of Object.entries(SIDES)) {
      const ms = await measure(side);
      if (i > 0) (rows[name] ??= []).push(ms);
    }
  const [sdk = [], ours = []] = Object.values(rows);
  printTable([
    ['CPU, ms a replay', 'median', 'least', 'most'],
    ...Object.entries(rows).map(([name, ms]) => [
      name,
      ...[percentile(ms, 0.5), Math.min(...ms), Math.max(...ms)].map((value) => round(value)),
    ]),
  ]);
  const ratios = ours.map((ms, i) => ms / (sdk[i] ?? Number.NaN));
  console.log(`ratio: ${round(percentile(ratios, 0.5), 2)} (median of rounds)`);
}
