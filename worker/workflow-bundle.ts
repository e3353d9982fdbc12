/**
 * The workflow code as one file. Production gives the path of one that `npm run build` made; otherwise it is built once
 * per state of the sources and kept, because webpack takes two seconds of every start.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { bundleWorkflowCode } from '@temporalio/worker';

const ROOT = join(import.meta.dirname, '..');
/** All that can be in the bundle: dependency-cruiser lets workflows/ import nothing else. */
const SOURCES = ['workflows', 'domain'];

export async function loadWorkflowBundle(
  path: string | null,
  cacheDir = defaultCacheDir(),
): Promise<WorkflowBundleOption> {
  if (path !== null) return { codePath: path };
  const cached = join(cacheDir, `workflows-${digestSources()}.js`);
  if (!existsSync(cached)) {
    const code = await buildWorkflowBundle();
    try {
      mkdirSync(cacheDir, { recursive: true });
      // Renamed into place: another process that starts now must not read half a file.
      const partial = `${cached}.${process.pid}`;
      writeFileSync(partial, code);
      renameSync(partial, cached);
    } catch {
      // A read-only home costs two seconds at each start, not the start.
      return { code };
    }
  }
  return { codePath: cached };
}

export async function buildWorkflowBundle(): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(ROOT, 'workflows', 'index.ts'),
    workflowInterceptorModules: [join(ROOT, 'workflows', 'interceptors.ts')],
    preloadModules: [join(ROOT, 'workflows', 'preload.ts')],
    // Its progress lines say nothing that a caller could act on; errors are thrown.
    logger: {
      log: () => {},
      trace: () => {},
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: () => {},
    },
  });
  return code;
}

function defaultCacheDir(): string {
  return join(homedir(), '.cache', 'bellhop', 'bundles');
}

function digestSources(): string {
  const hash = createHash('sha256');
  for (const folder of SOURCES) {
    for (const name of readdirSync(join(ROOT, folder)).sort()) {
      hash.update(`${folder}/${name}\0`).update(readFileSync(join(ROOT, folder, name)));
    }
  }
  // What is bundled with it, and how.
  hash.update(readFileSync(join(ROOT, 'package-lock.json'))).update(readFileSync(import.meta.filename));
  return hash.digest('hex').slice(0, 32);
}
