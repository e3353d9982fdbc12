/**
 * Schemathesis (PyPI) against a running API. It is no part of the project's dependencies: it lives in a virtual
 * environment of the user's cache folder, made here when asked, and everything else works without it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolderOf } from '../../sandbox/cache-folder.ts';

export const SCHEMATHESIS_VERSION = '4.32.5';

/** 422 is an answer to well-formed data too: a tool or an app that Composio does not know, a return URL not listed. */
const CONFIG = `
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "422", "429", "503"]
`;

const folderOf = (env: NodeJS.ProcessEnv): string =>
  join(cacheFolderOf(env), `schemathesis-${SCHEMATHESIS_VERSION}`);

/** The command, when it was installed before. Downloads nothing. */
export function findSchemathesis(env: NodeJS.ProcessEnv): string | null {
  const command = join(folderOf(env), 'bin', 'schemathesis');
  return existsSync(command) && spawnSync(command, ['--version']).status === 0 ? command : null;
}

/** @throws Error with what is missing on this machine. */
export function installSchemathesis(env: NodeJS.ProcessEnv): string {
  const found = findSchemathesis(env);
  if (found !== null) return found;
  const folder = folderOf(env);
  mkdirSync(cacheFolderOf(env), { recursive: true });
  rmSync(folder, { recursive: true, force: true }); // half an installation of an earlier try
  const steps: readonly [string, readonly string[], string][] = [
    ['python3', ['--version'], 'Python 3.10 or newer (python3) is needed.'],
    [
      'python3',
      ['-m', 'venv', folder],
      'python3 cannot make virtual environments: install python3-venv and python3-pip.',
    ],
    [
      join(folder, 'bin', 'pip'),
      ['install', '--quiet', '--disable-pip-version-check', `schemathesis==${SCHEMATHESIS_VERSION}`],
      `pip cannot install schemathesis==${SCHEMATHESIS_VERSION}: it needs PyPI or a mirror of it.`,
    ],
  ];
  for (const [command, args, needed] of steps) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) {
      rmSync(folder, { recursive: true, force: true });
      throw new Error([needed, (stderr ?? '').trim().split('\n').slice(-3).join('\n')].join('\n').trim());
    }
  }
  const command = findSchemathesis(env);
  if (command === null) throw new Error(`schemathesis in ${folder} does not start.`);
  return command;
}

export type FuzzOptions = {
  readonly url: string;
  readonly key: string;
  /** For its configuration; reports go there too. */
  readonly folder: string;
  readonly maxExamples: number;
  /** Of the whole run, seconds; null: until every phase has spent its examples. */
  readonly maxTimeS: number | null;
  readonly seed: number | null;
  /** Passed on as they are. */
  readonly more: readonly string[];
  readonly onOutput: (text: string) => void;
};

/** All checks, all phases (examples, coverage, fuzzing, stateful along the document's links). @returns its exit code. */
export async function runSchemathesis(command: string, options: FuzzOptions): Promise<number> {
  const config = join(options.folder, 'schemathesis.toml');
  writeFileSync(config, CONFIG);
  const args = [
    ['--config-file', config],
    ['run', `${options.url}/openapi.json`],
    ['--url', options.url],
    ['--header', `Authorization: Bearer ${options.key}`],
    ['--checks', 'all'],
    ['--max-examples', String(options.maxExamples)],
    options.maxTimeS === null ? [] : ['--max-time', String(options.maxTimeS)],
    options.seed === null ? [] : ['--seed', String(options.seed)],
    // A run that waits holds its answer for as long as ?wait= says, up to a minute.
    ['--request-timeout', '75'],
    ['--max-response-time', '75'],
    ['--continue-on-failure'],
    options.more,
  ].flat();
  const child = spawn(command, args, { cwd: options.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => options.onOutput(text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}
