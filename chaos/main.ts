/**
 * `npm run chaos -- --seed N --minutes M`: real parts, real load, faults over all of them, then a checker in a process of its own.
 * Exits 0 when nothing was found, 1 when something was, 2 when it could not be played to its end.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitForCalm } from './calm.ts';
import { startCollector } from './collector.ts';
import { gatherEvidence } from './evidence.ts';
import { startInjector } from './injector.ts';
import { type OperationLog, openOperationLog } from './log.ts';
import { type ChaosOptions, UsageError, parseOptions } from './options.ts';
import { planFaults } from './schedule.ts';
import { type Stage, openStage } from './stage.ts';
import { type Workload, startWorkload } from './workload.ts';

const MINUTE_MS = 60_000;
/** Runs go on this long after the last fault, so that a recovery from it can be seen. */
const TAIL_MS = 5_000;
/** Of every request at Composio, so that requests overlap and kills meet some in the middle. */
const LATENCY = { type: 'latency', minMs: 5, maxMs: 120 } as const;
/** After an effect, before its answer: the window in which a kill leaves doubt. */
const DOUBT = { type: 'latency', minMs: 10, afterEffect: true } as const;

/** A run's first effect takes seconds; past this something is wrong that the checker should judge. */
const FIRST_EFFECT_MS = 3 * MINUTE_MS;

const say = (line: string): void => console.error(`[chaos] ${line}`);

async function play(options: ChaosOptions, folder: string): Promise<void> {
  const log = openOperationLog(folder);
  const { seed, workers, apis } = options;
  let stage: Stage | null = null;
  // A terminal's Ctrl-C: what was started is stopped again.
  const interrupt = (): void => void Promise.resolve(stage?.close()).finally(() => process.exit(2));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    stage = await openStage({ folder, env: process.env, workers, apis, seed, log });
    say(`the stage stands: ${folder}`);
    await perform(stage, options, log);
  } finally {
    await stage?.close();
    log.close();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

async function perform(stage: Stage, options: ChaosOptions, log: OperationLog): Promise<void> {
  const { seed, users, lanes, minutes } = options;
  const latency = await stage.composio.addFault({ action: LATENCY, seed });
  const doubt = { ...DOUBT, maxMs: options.doubt };
  const window = await stage.composio.addFault({ action: doubt, match: { route: 'tools.execute' }, seed });
  const collector = startCollector(stage, [latency.id, window.id]);
  const workload = await startWorkload(stage, { seed, users, lanes, log });
  log.note({ is: 'stage', what: 'load' });
  await firstEffect(stage, workload);
  const plan = planFaults({
    seed,
    lengthMs: minutes * MINUTE_MS,
    killEveryMs: options.killEvery * 1_000,
    kills: options.kills,
    aim: options.aim,
    disturbEveryMs: options.disturbEvery * 1_000,
  });
  const { users: everybody, api } = workload;
  const injector = startInjector(plan, { stage, users: everybody, api, log });
  let minute = 0;
  const ticker = setInterval(() => {
    minute += 1;
    // Only told: a run does not end for a line that could not be said.
    report(stage, `minute ${minute}`, workload.open()).catch(() => undefined);
  }, MINUTE_MS);
  try {
    await Promise.all([injector.done, sleep(minutes * MINUTE_MS)]);
  } finally {
    clearInterval(ticker);
  }
  await injector.heal();
  await sleep(TAIL_MS);
  say('no more faults, no new runs');
  log.note({ is: 'stage', what: 'calm' });
  await workload.stop();
  await waitForCalm({ stage, workload }, { calmMs: options.calm * 1_000, log, say });
  await collector.stop();
  await gatherEvidence(stage);
}

/** The minutes count from here: on a slow machine the first runs take long, and faults before them would meet nothing. */
async function firstEffect(stage: Stage, workload: Workload): Promise<void> {
  const deadline = Date.now() + FIRST_EFFECT_MS;
  while ((await stage.composio.state()).effects === 0 && Date.now() < deadline) await sleep(100);
  await report(stage, 'the load runs', workload.open());
}

async function report(stage: Stage, when: string, open: number): Promise<void> {
  const { effects } = await stage.composio.state();
  say(`${when}: ${effects} effects so far, ${open} runs open`);
}

/** The checker reads the folder alone: what this process holds in memory cannot sway it. */
async function check(folder: string, reportFile: string | null): Promise<number> {
  const args = reportFile === null ? [] : ['--report', resolve(reportFile)];
  const checker = spawn(process.execPath, [join(import.meta.dirname, 'check.ts'), folder, ...args], {
    stdio: 'inherit',
  });
  return new Promise((done) => checker.once('close', (code) => done(code ?? 2)));
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const options = parseOptions(args, Math.floor(Math.random() * 1_000_000));
  const sabotage = process.env['SABOTAGE'] ?? '';
  const { seed, minutes } = options;
  const command =
    `${sabotage === '' ? '' : `SABOTAGE=${sabotage} `}npm run chaos -- --seed ${seed} --minutes ${minutes}` +
    describeOthers(args);
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), `chaos-${seed}-`));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ ...options, sabotage, command }));
  say(`seed ${seed}; again with: ${command}`);
  await play(options, folder);
  const code = await check(folder, options.report);
  if (code === 0 && !options.keep && options.folder === null)
    rmSync(folder, { recursive: true, force: true });
  else say(`the logs are in ${folder}; check them again with: node chaos/check.ts ${folder}`);
  return code;
}

/** Every option but seed and minutes, which are told anyway. */
function describeOthers(args: readonly string[]): string {
  const others: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const name = args[at] ?? '';
    if (['--seed', '--minutes', '--folder', '--report'].includes(name)) at += 1;
    else others.push(name);
  }
  return others.length === 0 ? '' : ` ${others.join(' ')}`;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) console.error(error.message);
  else console.error('[chaos] it could not be played to its end:', error);
  process.exitCode = 2;
}
// Followers of runs that never ended would keep this process.
process.exit();
