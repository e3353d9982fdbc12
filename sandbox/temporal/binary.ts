/**
 * Finds the Temporal CLI, or gets it: on PATH, in the project's cache folder, by the official download, by a build
 * with Go. It starts no server; whoever has TEMPORAL_ADDRESS needs none of this.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Output } from '../progress.ts';
import { buildTemporal } from './build.ts';
import { downloadTemporal } from './download.ts';
import type { Getter } from './getter.ts';
import { cacheFolderOf } from '../cache-folder.ts';
import { StartError } from '../start-error.ts';

const run = promisify(execFile);

/** The release that the figures of this project were measured with. */
export const TEMPORAL_CLI_VERSION = 'v1.5.1';
const FILE_NAME = process.platform === 'win32' ? 'temporal.exe' : 'temporal';
/** `temporal --version` answers in 0.1 s; a wrong program of that name may wait for input. */
const VERSION_TIMEOUT_MS = 10_000;

export type TemporalBinary = {
  readonly path: string;
  readonly from: 'PATH' | 'cache' | 'download' | 'build';
};

export type BinaryOptions = {
  /** PATH, XDG_CACHE_HOME and BELLHOP_CACHE_DIR are read from it. */
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
  readonly signal?: AbortSignal;
  /** How it is got when it is nowhere, tried in this order; each puts the program at `target`, whole or not at all. */
  readonly getters?: { readonly download: Getter; readonly build: Getter };
};

/** Throws one error that says what to install when every way fails. */
export async function resolveTemporalBinary(options: BinaryOptions): Promise<TemporalBinary> {
  const onPath = await findOnPath(options.env['PATH'] ?? '');
  if (onPath !== null) return { path: onPath, from: 'PATH' };
  const cached = join(cacheFolderOf(options.env), 'bin', FILE_NAME);
  if (isExecutable(cached)) return { path: cached, from: 'cache' };
  const { download, build } = options.getters ?? {
    download: downloadTemporal(TEMPORAL_CLI_VERSION),
    build: buildTemporal(TEMPORAL_CLI_VERSION, options.env),
  };
  const reasons: string[] = [];
  for (const [from, get] of [
    ['download', download],
    ['build', build],
  ] as const) {
    try {
      await get(cached, { output: options.output, signal: options.signal });
      return { path: cached, from };
    } catch (error) {
      options.signal?.throwIfAborted();
      reasons.push(`${from}: ${firstLine(error)}`);
    }
  }
  throw new StartError(
    'no Temporal CLI: put `temporal` on PATH (https://docs.temporal.io/cli), or install Go 1.24 or newer and start again, ' +
      `or set TEMPORAL_ADDRESS to a running server (${reasons.join('; ')})`,
  );
}

async function findOnPath(path: string): Promise<string | null> {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const file = join(folder, FILE_NAME);
    if (isExecutable(file) && (await isTemporalCli(file))) return file;
  }
  return null;
}

/** Other programs are called `temporal` too. */
async function isTemporalCli(file: string): Promise<boolean> {
  try {
    const { stdout } = await run(file, ['--version'], { timeout: VERSION_TIMEOUT_MS });
    return stdout.startsWith('temporal version ');
  } catch {
    return false;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The reason behind a failure of another program or library can be a chain of pages; its beginning tells. */
function firstLine(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
