/**
 * The environment that worker and API get: what a person named, with the embedded parts filled in. Secrets travel here
 * and in files of the data directory, never in arguments.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../config/config-error.ts';
import { loadConfig } from '../../config/load-config.ts';
import { compileCacheOf } from '../cache-folder.ts';
import type { DataDir } from './data-dir.ts';
import { readOrMakeSecret } from './data-dir.ts';
import type { Env, Plan } from './plan.ts';
import { StartError } from '../start-error.ts';

export const SANDBOX_COMPOSIO_KEY = 'sandbox-composio-key';
export const SANDBOX_MODEL_KEY = 'sandbox-model-key';

/** Throws StartError with what is malformed, before anything is started. */
export function checkEnvironment(env: Env, plan: Plan): void {
  const complete = {
    ...env,
    ...(plan.PostgreSQL ? { DATABASE_URL: 'postgres://127.0.0.1/bellhop' } : {}),
    ...(plan.Composio ? { COMPOSIO_API_KEY: SANDBOX_COMPOSIO_KEY } : {}),
    ...(plan.model ? { OPENAI_API_KEY: SANDBOX_MODEL_KEY } : {}),
    BELLHOP_API_KEY: env['BELLHOP_API_KEY'] || 'made-at-first-start',
  };
  try {
    loadConfig(complete, 'api');
    loadConfig(complete, 'worker');
  } catch (cause) {
    if (cause instanceof ConfigError) throw new StartError(cause.problems.join('; '), { cause });
    throw cause;
  }
}

/** What is embedded is reached without the user's own client profile: no key, no TLS, no file of theirs. */
export function temporalEnvironment(
  address: string,
  namespace: string,
  dir: DataDir,
): Record<string, string> {
  const noProfile = join(dir.temporal, 'client.toml');
  writeFileSync(noProfile, '[profile.default]\n'); // a file without any profile is not understood by Temporal's reader
  return { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, TEMPORAL_CONFIG_FILE: noProfile };
}

/** The person's variables, without those that would speak to another Temporal or PostgreSQL than the embedded one. */
export function inheritedEnvironment(env: Env, plan: Plan): NodeJS.ProcessEnv {
  const isForeign = (name: string) => name.startsWith('TEMPORAL_') && name !== 'TEMPORAL_TASK_QUEUE';
  const kept = Object.entries(env).filter(
    ([name]) => (!plan.Temporal || !isForeign(name)) && (!plan.PostgreSQL || name !== 'DATABASE_DIRECT_URL'),
  );
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: compileCacheOf(env) };
}

/** What a sandbox needs of the person's variables: the system's and its own, and none that may hold a key. */
export function sandboxEnvironment(env: Env): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'LOG_LEVEL', 'NODE_EXTRA_CA_CERTS'];
  const isOwn = (name: string) => /^(COMPOSIO|MODEL)_SANDBOX_/.test(name);
  const kept = Object.entries(env).filter(([name]) => names.includes(name) || isOwn(name));
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: compileCacheOf(env) };
}

export type Access = {
  readonly apiKey: string;
  /** The person's, else one that is made once and kept: sandboxes have keys that everybody knows. */
  readonly sessionSecret: string;
  readonly authorizationFile: string;
  readonly forget: () => void;
};

/**
 * The bootstrap key: the person's, else one that is made once and kept. The files by which a person reaches API and
 * database without a secret on the screen live as long as the run.
 */
export function prepareAccess(env: Env, dir: DataDir, databaseUrl: string): Access {
  const apiKey = env['BELLHOP_API_KEY'] || readOrMakeSecret(join(dir.path, 'api-key'));
  const sessionSecret = env['BELLHOP_SESSION_SECRET'] || readOrMakeSecret(join(dir.path, 'session-secret'));
  const authorizationFile = join(dir.path, 'authorization');
  const databaseFile = join(dir.path, 'database-url');
  writeFileSync(authorizationFile, `Authorization: Bearer ${apiKey}\n`, { mode: 0o600 });
  writeFileSync(databaseFile, `${databaseUrl}\n`, { mode: 0o600 });
  const forget = () => {
    for (const file of [authorizationFile, databaseFile]) rmSync(file, { force: true });
  };
  return { apiKey, sessionSecret, authorizationFile, forget };
}
