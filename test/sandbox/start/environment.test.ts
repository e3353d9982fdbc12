import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadTemporalConfig } from '../../../config/temporal.ts';
import type { DataDir } from '../../../sandbox/start/data-dir.ts';
import { openDataDir } from '../../../sandbox/start/data-dir.ts';
import {
  checkEnvironment,
  inheritedEnvironment,
  prepareAccess,
  sandboxEnvironment,
  temporalEnvironment,
} from '../../../sandbox/start/environment.ts';
import { planParts } from '../../../sandbox/start/plan.ts';

let root: string;
let dir: DataDir;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bellhop-test-env-'));
  dir = openDataDir(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('worker and API reach the embedded Temporal without the profile that the person has for another one', () => {
  const home = join(root, 'home');
  mkdirSync(join(home, '.config', 'temporalio'), { recursive: true });
  writeFileSync(
    join(home, '.config', 'temporalio', 'temporal.toml'),
    '[profile.default]\naddress = "cloud.example:7233"\napi_key = "of-the-cloud"\n[profile.default.tls]\nserver_name = "x"\n',
  );
  const person = {
    HOME: home,
    TEMPORAL_API_KEY: 'of-the-cloud',
    TEMPORAL_TLS: 'true',
    TEMPORAL_TASK_QUEUE: 'mine',
  };
  const env = {
    ...inheritedEnvironment(person, planParts(person)),
    ...temporalEnvironment('127.0.0.1:7233', 'shop', dir),
  };
  expect(env['TEMPORAL_TASK_QUEUE']).toBe('mine');
  expect(loadTemporalConfig(env)).toEqual({
    connectionOptions: { address: '127.0.0.1:7233' },
    namespace: 'shop',
  });
});

test('leaves the variables of a real Temporal alone', () => {
  const person = {
    TEMPORAL_ADDRESS: 'cloud.example:7233',
    TEMPORAL_API_KEY: 'k',
    TEMPORAL_NAMESPACE: 'n',
    NODE_COMPILE_CACHE: '/cc',
  };
  expect(inheritedEnvironment(person, planParts(person))).toEqual({ ...person, NODE_COMPILE_CACHE: '/cc' });
});

test('a sandbox gets none of the keys that a person has', () => {
  const env = {
    NODE_COMPILE_CACHE: '/cc',
    PATH: '/bin',
    MODEL_SANDBOX_LATENCY_MS: '5',
    OPENAI_API_KEY: 'sk',
    DATABASE_URL: 'postgres://x',
    AWS_SECRET_ACCESS_KEY: 's',
  };
  expect(sandboxEnvironment(env)).toEqual({
    PATH: '/bin',
    MODEL_SANDBOX_LATENCY_MS: '5',
    NODE_COMPILE_CACHE: '/cc',
  });
});

test('makes a key once, takes the one that is named, and leaves files for a shell only while it runs', () => {
  const made = prepareAccess({}, dir, 'postgres://the-url');
  expect(readFileSync(made.authorizationFile, 'utf8')).toBe(`Authorization: Bearer ${made.apiKey}\n`);
  expect(readFileSync(join(root, 'database-url'), 'utf8')).toBe('postgres://the-url\n');
  for (const name of ['authorization', 'database-url', 'api-key']) {
    expect(statSync(join(root, name)).mode & 0o777).toBe(0o600);
  }
  made.forget();
  expect(() => statSync(made.authorizationFile)).toThrow('ENOENT');
  expect(() => statSync(join(root, 'database-url'))).toThrow('ENOENT');

  expect(prepareAccess({}, dir, '').apiKey).toBe(made.apiKey);
  expect(made.sessionSecret.length).toBeGreaterThanOrEqual(32);
  expect(made.sessionSecret).not.toBe(made.apiKey);
  expect(prepareAccess({}, dir, '').sessionSecret).toBe(made.sessionSecret);
  expect(prepareAccess({ BELLHOP_API_KEY: 'named' }, dir, '').apiKey).toBe('named');
  expect(readFileSync(join(root, 'api-key'), 'utf8')).not.toContain('named');
});

test('says what is malformed before anything is started, with names and without values', () => {
  const check = (env: Record<string, string>) => checkEnvironment(env, planParts(env));
  expect(() => check({})).not.toThrow();
  expect(() => check({ PORT: 'eighty' })).toThrow(/^PORT must be a port number$/);
  expect(() => check({ DATABASE_URL: 'mysql://root:secret@h/d' })).toThrow(
    /^DATABASE_URL must be [^]*postgres/,
  );
  expect(() => check({ DATABASE_URL: 'mysql://root:secret@h/d' })).not.toThrow(/secret/);
});
