/** `npm run bench -- <name>`: measures, prints ratios of one run, and what was measured. Never a timed test. */
import { runHistory } from './history.ts';
import { runOverhead } from './overhead.ts';
import { runStart } from './start.ts';

const BENCHES: Readonly<Record<string, { run: (args: readonly string[]) => Promise<void>; what: string }>> = {
  overhead: {
    run: runOverhead,
    what: 'a run of 5 tool calls against a bare Temporal workflow with the same HTTP calls and commits',
  },
  history: {
    run: runHistory,
    what: 'history events and bytes per turn, 5 to 80 turns and with parallel calls',
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
