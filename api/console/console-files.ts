/** What `npm ci` has built of console/, read once at the start and kept with its gzip, which is what browsers take. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

export type ConsoleFile = { readonly bytes: Buffer; readonly gzip: Buffer; readonly contentType: string };
export type ConsoleFiles = {
  /** The page of every address under /console; null when it has not been built. */
  readonly page: ConsoleFile | null;
  /** By name; the names hold a digest of what is in them. */
  readonly assets: ReadonlyMap<string, ConsoleFile>;
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export const CONSOLE_FOLDER = join(import.meta.dirname, '..', '..', 'dist', 'console');

export function readConsoleFiles(folder: string): ConsoleFiles {
  const page = join(folder, 'index.html');
  if (!existsSync(page)) return { page: null, assets: new Map() };
  const assets = join(folder, 'assets');
  const names = existsSync(assets) ? readdirSync(assets) : [];
  return { page: read(page), assets: new Map(names.map((name) => [name, read(join(assets, name))])) };
}

function read(path: string): ConsoleFile {
  const bytes = readFileSync(path);
  return { bytes, gzip: gzipSync(bytes), contentType: TYPES[extname(path)] ?? 'application/octet-stream' };
}
