/**
 * The real parts that tests share, started when the first test asks: one PostgreSQL, one Temporal dev server, one
 * workflow bundle for a whole run. Runs in the runner's own process; test files reach it through ground-client.ts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { migrateToLatest } from '../../db/migrator.ts';
import type { RunningPostgres } from '../../sandbox/postgres.ts';
import { startPostgres } from '../../sandbox/postgres.ts';
import { standardErrorOutput } from '../../sandbox/progress.ts';
import { resolveTemporalBinary } from '../../sandbox/temporal/binary.ts';
import type { RunningTemporal } from '../../sandbox/temporal/server.ts';
import { startTemporal } from '../../sandbox/temporal/server.ts';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';

const TEMPLATE = 'bellhop_template';
const log = (line: string) => console.error(line);

export type TestDatabaseUrls = { readonly name: string; readonly url: string; readonly superuserUrl: string };

export type Ground = {
  readonly createDatabase: () => Promise<TestDatabaseUrls>;
  readonly dropDatabase: (name: string) => Promise<void>;
  readonly temporalAddress: () => Promise<string>;
  readonly workflowBundle: () => Promise<string>;
  readonly stop: () => Promise<void>;
};

/** Nothing runs yet when this returns. */
export function createGround(): Ground {
  let postgres: Promise<RunningPostgres> | undefined;
  let temporal: Promise<RunningTemporal> | undefined;
  let bundle: Promise<string> | undefined;
  let databases = 0;
  const usePostgres = () =>
    (postgres ??= startPostgres({ place: { temporary: true }, log })
      .then(prepareTemplate)
      .catch((error: unknown) => {
        postgres = undefined; // who asks next tries again
        throw error;
      }));
  // CREATE DATABASE … TEMPLATE refuses to run while another copy of the same template does.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result;
    return result;
  };

  return {
    createDatabase: async () => {
      const server = await usePostgres();
      databases += 1;
      const name = `test_${process.pid}_${databases}`;
      await inTurn(() =>
        execute(server.superuserUrl, `create database ${name} template ${TEMPLATE} owner bellhop`),
      );
      return {
        name,
        url: withDatabase(server.url, name),
        superuserUrl: withDatabase(server.superuserUrl, name),
      };
    },
    dropDatabase: async (name) => {
      const server = await usePostgres();
      // PostgreSQL waits 5 s for connections that are on their way out. Those cut off instead would fail the test that closed them.
      await execute(server.superuserUrl, `drop database if exists ${name}`).catch(() =>
        execute(server.superuserUrl, `drop database if exists ${name} with (force)`),
      );
    },
    temporalAddress: async () => {
      temporal ??= resolveTemporalBinary({ env: process.env, output: standardErrorOutput() }).then(
        ({ path }) => startTemporal({ binary: path, store: 'memory', ui: false, namespace: 'default', log }),
      );
      temporal.catch(() => (temporal = undefined));
      return (await temporal).address;
    },
    workflowBundle: () => (bundle ??= findBundle()),
    stop: async () => {
      // What never started has nothing to stop, and what failed to start has cleaned up after itself.
      await Promise.allSettled([
        temporal?.then((server) => server.stop()),
        postgres?.then((server) => server.stop()),
      ]);
    },
  };
}

/** A database with every migration, made once; each test database is a copy of it. */
async function prepareTemplate(server: RunningPostgres): Promise<RunningPostgres> {
  await execute(server.superuserUrl, `create database ${TEMPLATE} owner bellhop`);
  await migrateToLatest(withDatabase(server.url, TEMPLATE));
  return server;
}

/** The worker's own loader: it keeps the bundle of unchanged sources, which spares most runs webpack's two seconds. */
async function findBundle(): Promise<string> {
  const { loadWorkflowBundle } = await import('../../worker/workflow-bundle.ts');
  const bundle = await loadWorkflowBundle(null);
  if ('codePath' in bundle) return bundle.codePath;
  const file = join(await makeTemporaryFolder('bundle'), 'workflows.js'); // swept by a later run
  writeFileSync(file, bundle.code);
  return file;
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
