/**
 * `npm run fuzz -- [--max-examples N] [--max-time S] [--seed N] [-- <schemathesis options>]`: the API with everything real
 * that `npm start` embeds, on free ports, fuzzed along its own document. Exits 0 when nothing was found, 1 when something
 * was (also a 5xx that only the log shows), 2 when Schemathesis cannot be installed here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openStand } from '../bench/stand.ts';
import { findFreePorts } from '../sandbox/free-port.ts';
import { startNodeChild } from '../sandbox/process.ts';
import { installSchemathesis, runSchemathesis } from './fuzz/schemathesis.ts';
import { prepareUsers, untilReady } from './fuzz/prepare-users.ts';

const KEY = 'fuzz-key';
// What is started here has nothing to finish.
const GRACE_MS = 5_000;

const own = process.argv.slice(2);
const split = own.indexOf('--');
const { values } = parseArgs({
  args: split < 0 ? own : own.slice(0, split),
  options: {
    'max-examples': { type: 'string', default: '50' },
    'max-time': { type: 'string' },
    seed: { type: 'string' },
  },
});

function install(): string {
  try {
    return installSchemathesis(process.env);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  }
}

async function main(): Promise<number> {
  const command = install();
  const stand = await openStand();
  const [port = 0, healthPort = 0] = await findFreePorts([0, 0]);
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...stand.env,
    LOG_LEVEL: 'info',
    PORT: String(port),
    PUBLIC_URL: url,
    BELLHOP_API_KEY: KEY,
    API_REQUESTS_PER_MINUTE: '0',
    // Notices that nobody takes: deliveries to list and to retry.
    BELLHOP_WEBHOOK_URL: 'http://127.0.0.1:9/nobody',
    BELLHOP_WEBHOOK_SECRET: `whsec_${Buffer.alloc(24, 'fuzz').toString('base64')}`,
  };
  const start = (name: 'api' | 'worker') =>
    startNodeChild({
      name,
      script: join(import.meta.dirname, '..', name, 'main.ts'),
      env: {
        ...env,
        WORKER_METRICS_PORT: String(healthPort),
        BELLHOP_RETURN_URLS: 'https://app.example/done',
      },
      cwd: stand.folder,
      logFile: join(stand.folder, `${name}.log`),
    });
  const children = [start('api'), start('worker')];
  try {
    // Without a worker every run would wait for its check, and nothing behind it would be reached.
    await untilReady(`http://127.0.0.1:${healthPort}`, children);
    await untilReady(url, children);
    await prepareUsers({ url, key: KEY, composioUrl: stand.composioUrl });
    const exit = await runSchemathesis(command, {
      url,
      key: KEY,
      folder: stand.folder,
      maxExamples: Number(values['max-examples']),
      maxTimeS: values['max-time'] === undefined ? null : Number(values['max-time']),
      seed: values.seed === undefined ? null : Number(values.seed),
      more: split < 0 ? [] : own.slice(split + 1),
      onOutput: (text) => void process.stdout.write(text),
    });
    const failures = findFailures(readFileSync(join(stand.folder, 'api.log'), 'utf8'));
    const dead = children.filter((child) => child.hasExited()).map(({ name }) => name);
    console.log(
      `\nIn the log of the API: ${failures.length} answers of 5xx. Died: ${dead.join(', ') || 'none'}.`,
    );
    for (const line of failures.slice(0, 20)) console.log(line.slice(0, 2_000));
    return exit === 0 && failures.length === 0 && dead.length === 0 ? 0 : 1;
  } finally {
    await Promise.all(children.map((child) => child.stop(GRACE_MS)));
    await stand.close();
  }
}

function findFailures(log: string): string[] {
  return log.split('\n').filter((line) => /"status":5\d\d/.test(line) || /"level":(50|60)\b/.test(line));
}

process.exit(await main());
