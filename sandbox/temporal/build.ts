/** Builds the Temporal CLI with Go, where the official download is out of reach. Needs `go` and a Go module proxy. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Getter } from './getter.ts';
import { showProgress } from '../progress.ts';
import { installAtomically } from './install.ts';

const run = promisify(execFile);

/** The build takes about 3 minutes on 2 cores; a slow machine and network get ten times that. */
const BUILD_TIMEOUT_MS = 30 * 60_000;

/** A getter for resolveTemporalBinary. Throws one line when Go is missing or the build fails. */
export function buildTemporal(version: string, env: NodeJS.ProcessEnv): Getter {
  return async (target, { output, signal }) => {
    await run('go', ['version'], { env }).catch((cause: unknown) => {
      throw new Error('Go is not installed', { cause });
    });
    const what = `building the Temporal CLI ${version} with Go (about 250 MB on disk, about 3 minutes, only this once) ...`;
    await showProgress(what, output, () =>
      installAtomically(target, async (folder) => {
        const goEnv = { ...env, GOBIN: folder };
        await run('go', ['install', `github.com/temporalio/cli/cmd/temporal@${version}`], {
          env: goEnv,
          ...(signal === undefined ? {} : { signal }),
          timeout: BUILD_TIMEOUT_MS,
          maxBuffer: 64 * 1024 * 1024, // a cold build names every module that it fetches
        }).catch((cause: Error & { stderr?: string }) => {
          const last = (cause.stderr ?? '').trim().split('\n').at(-1);
          throw new Error(`go install failed: ${last || cause.message}`, { cause });
        });
        return join(folder, process.platform === 'win32' ? 'temporal.exe' : 'temporal');
      }),
    );
  };
}
