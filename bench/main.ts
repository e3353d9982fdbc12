/** `npm run bench -- <name>`: measures, prints ratios of one run, and what was measured. Never a timed test. */
import { runAudit } from './audit.ts';
import { runBudget } from './budget.ts';
import { runEvents } from './events.ts';
import { runCallbacks } from './callbacks.ts';
import { runGauges } from './gauges.ts';
import { runHistory } from './history.ts';
import { runNotify } from './notify.ts';
import { runOverhead } from './overhead.ts';
import { runParked } from './parked.ts';
import { runRecovery } from './recovery.ts';
import { runReplay } from './replay.ts';
import { runStart } from './start.ts';
import { runWorker } from './worker.ts';

const BENCHES: Readonly<Record<string, { run: (args: readonly string[]) => Promise<void>; what: string }>> = {
  audit: {
    run: runAudit,
    what: 'a million users audited: time, memory, requests, history; and the loop that asks one by one',
  },
  budget: {
    run: runBudget,
    what: 'the budget of Composio requests: statements and CPU a request, with and without it',
  },
  overhead: {
    run: runOverhead,
    what: 'a run of 5 tool calls against a bare Temporal workflow with the same HTTP calls and commits',
  },
  history: {
    run: runHistory,
    what: 'history events and bytes per turn, 5 to 80 turns and with parallel calls',
  },
  recovery: {
    run: runRecovery,
    what: 'SIGKILL of one of two workers: how long its runs stand still, and what the heartbeats for it cost',
  },
  events: {
    run: runEvents,
    what: '200 readers of one run: from commit to receipt, with LISTEN and by the poll alone',
  },
  notify: { run: runNotify, what: 'what NOTIFY costs writers: commits per second, watched and unwatched' },
  callbacks: {
    run: runCallbacks,
    what: 'thousands of OAuth callbacks in one moment, and when their runs go on',
  },
  gauges: {
    run: runGauges,
    what: 'what the figures from rows cost with a million ended runs and a hundred thousand parked ones',
  },
  parked: {
    run: runParked,
    what: 'thousands of runs that wait for a person: memory and storage of each, and how soon one goes on',
  },
  worker: {
    run: runWorker,
    what: 'a burst of runs with other numbers of slots, pollers, cached workflows, eager activities',
  },
  replay: {
    run: runReplay,
    what: 'workflow code: one recorded run replayed in the SDK’s thread and in ours',
  },
  start: { run: runStart, what: '`npm start` to ready, cold (no data) and warm' },
};

const [name = '', ...args] = process.argv.slice(2);
const bench = BENCHES[name];
if (!bench) {
  console.error('Name a bench:');
  for (const [known, { what }] of Object.entries(BENCHES))
    console.error(`  npm run bench -- ${known.padEnd(9)} ${what}`);
  process.exit(1);
}
await bench.run(args);
process.exit(0);
