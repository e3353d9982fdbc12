/**
 * Gets the Temporal CLI by the official download, through the SDK's own testing package: it knows the address, the
 * platform and the archive. The package only downloads in order to run a server, so one runs for a moment.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Getter } from './getter.ts';
import { showProgress } from '../progress.ts';
import { installAtomically } from './install.ts';

/** A getter for resolveTemporalBinary. Throws when the download is out of reach. */
export function downloadTemporal(version: string): Getter {
  return async (target, { output }) => {
    const what = `downloading the Temporal CLI ${version} (about 50 MB, only this once) ...`;
    await showProgress(what, output, () =>
      installAtomically(target, async (folder) => {
        // Loaded here only: it brings the native worker, which nobody needs who has the program.
        const { TestWorkflowEnvironment } = await import('@temporalio/testing');
        const environment = await TestWorkflowEnvironment.createLocal({
          server: { executable: { type: 'cached-download', downloadDir: folder, version } },
        });
        await environment.teardown();
        const program = readdirSync(folder).find((name) => name.startsWith('temporal'));
        if (program === undefined) throw new Error('the download left no program');
        return join(folder, program);
      }),
    );
  };
}
