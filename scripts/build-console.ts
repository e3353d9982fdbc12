/** Builds the console into dist/console: `npm ci` does it (as `prepare`), the image's build, and the tests when it is out of date. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const SOURCE = join(ROOT, 'console');
const OUTPUT = join(ROOT, 'dist', 'console');
const STAMP = join(OUTPUT, '.source');

/** Does nothing when what is there was built of this very source. */
export async function buildConsole(): Promise<void> {
  const digest = digestOf(SOURCE);
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === digest) return;
  const { build } = await import('vite');
  await asProduction(() =>
    build({
      configFile: false,
      root: SOURCE,
      base: '/console/',
      logLevel: 'error',
      mode: 'production',
      // Everything is a file: the page's CSP lets nothing inline through.
      build: {
        outDir: OUTPUT,
        emptyOutDir: true,
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: false,
        target: 'es2023',
      },
    }),
  );
  writeFileSync(STAMP, digest);
}

/** Vite and React take another NODE_ENV, such as the tests', as a wish for a development build. */
async function asProduction<T>(work: () => Promise<T>): Promise<T> {
  const before = process.env['NODE_ENV'];
  process.env['NODE_ENV'] = 'production';
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env['NODE_ENV'];
    else process.env['NODE_ENV'] = before;
  }
}

function digestOf(folder: string): string {
  const hash = createHash('sha256').update(readFileSync(import.meta.filename));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  for (const path of files.map((file) => join(file.parentPath, file.name)).toSorted())
    hash.update(`${path.slice(folder.length)}\0`).update(readFileSync(path));
  return hash.digest('hex');
}

/** With `--if-possible` (as `prepare`) an installation does not fail for want of the console: the API runs without it. */
async function main(): Promise<void> {
  try {
    await buildConsole();
  } catch (error) {
    if (!process.argv.includes('--if-possible')) throw error;
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    console.error(`The console is not built, and /console will say so: ${reason}`);
  }
}

if (import.meta.main) await main();
