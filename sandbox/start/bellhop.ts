/**
 * A whole Bellhop on this machine: what the environment names is used, the rest embedded, then migrations, worker and
 * API. `npm start`, the demo and the tests that need a whole one start it here. It prints nothing and handles no signals.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeChild } from '../process.ts';
import type { PartFailedError } from '../process.ts';
import { describeEnd, startNodeChild, waitForUrl } from '../process.ts';
import type { Output } from '../progress.ts';
import type { StartContext } from './context.ts';
import { RANK, READY_TIMEOUT_MS, STOP_GRACE_MS } from './context.ts';
import { openDataDir } from './data-dir.ts';
import { checkEnvironment, inheritedEnvironment, prepareAccess } from './environment.ts';
import type { Env, PartName } from './plan.ts';
import { PART_NAMES, planParts } from './plan.ts';
import { stopLeftovers } from './leftovers.ts';
import { choosePorts } from './ports.ts';
import { Releases } from './releases.ts';
import { provideComposio, provideDatabase, provideModel, provideTemporal } from './services.ts';

export type BellhopOptions = {
  /** What a person has named. Worker and API get it too, with what is embedded filled in. `PORT=0`: a free port. */
  readonly env: Env;
  readonly dataDir: string;
  /** One line for a person, now and then. */
  readonly log: (line: string) => void;
  /** Where slow work shows that it goes on. */
  readonly output: Output;
  /** Aborts a start that is under way. */
  readonly signal?: AbortSignal;
};

/** `address` is for a person: a URL, or `host:port`, without a password. */
export type Part = { readonly name: PartName; readonly isEmbedded: boolean; readonly address: string };

export type RunningBellhop = {
  readonly apiUrl: string;
  readonly apiKey: string;
  /** A header line for `curl -H @file`, so that the key is neither printed nor an argument. */
  readonly authorizationFile: string;
  readonly parts: readonly Part[];
  readonly databaseUrl: string;
  /** What worker and API were started with: another process with it works on the same services. */
  readonly env: NodeJS.ProcessEnv;
  readonly temporalUiUrl: string | null;
  /** The sandboxes, where they are embedded. */
  readonly composioUrl: string | null;
  readonly modelUrl: string | null;
  readonly metricsUrl: string;
  readonly workerMetricsUrl: string;
  readonly dataDir: string;
  /** Resolves when a part ends that nobody asked to; the message names it and shows its last lines. */
  readonly failed: Promise<PartFailedError>;
  /** API, worker, sandboxes, Temporal, PostgreSQL, in this order; about 2 s, at most 10. */
  readonly stop: () => Promise<void>;
};

/** A part that is starting looks at the abort every 50 ms; initdb, which does not, takes a second. */
const ABORT_TIMEOUT_MS = 4_000;

/**
 * Ready means: the worker polls and the API's /readyz answers 200. Throws StartError or PartFailedError, one message for
 * a person, after everything that was started has been stopped again; the signal's reason when it was aborted.
 */
export async function startBellhop(options: BellhopOptions): Promise<RunningBellhop> {
  const releases = new Releases();
  const aborter = new AbortController();
  const signal =
    options.signal === undefined ? aborter.signal : AbortSignal.any([aborter.signal, options.signal]);
  const starts: Promise<unknown>[] = [];
  try {
    return await assemble({ ...options, signal }, releases, starts);
  } catch (error) {
    aborter.abort();
    // A download cannot be aborted; nobody waits for it.
    await Promise.race([Promise.allSettled(starts), delay(ABORT_TIMEOUT_MS, undefined, { ref: false })]);
    await releases.releaseAll();
    throw error;
  }
}

async function assemble(
  options: BellhopOptions & { signal: AbortSignal },
  releases: Releases,
  starts: Promise<unknown>[],
): Promise<RunningBellhop> {
  const { signal } = options;
  const plan = planParts(options.env);
  checkEnvironment(options.env, plan);
  const dir = openDataDir(options.dataDir);
  await releases.add(RANK.dataDir, dir.release);
  await stopLeftovers(dir, options.log);
  const ports = await choosePorts(options.env, dir.path);
  const failure = Promise.withResolvers<PartFailedError>();
  const context: StartContext = { ...options, plan, dir, ports, releases, fail: failure.resolve };
  const aborted = rejectWhenAborted(signal);

  const services = [
    provideDatabase(context),
    provideTemporal(context),
    provideComposio(context),
    provideModel(context),
  ] as const;
  starts.push(...services);
  const [database, temporal, composio, model] = await Promise.race([Promise.all(services), aborted]);
  const access = prepareAccess(options.env, dir, database.url ?? '');
  await releases.add(RANK.dataDir, access.forget);
  const env = {
    ...inheritedEnvironment(options.env, plan),
    ...database.env,
    ...temporal.env,
    ...composio.env,
    ...model.env,
    BELLHOP_API_KEY: access.apiKey,
    BELLHOP_SESSION_SECRET: access.sessionSecret,
    // Nobody else's users are in the sandbox.
    ...(plan.Composio && !options.env['CONSOLE_TRY_IT'] ? { CONSOLE_TRY_IT: 'true' } : {}),
    PORT: String(ports.api),
    METRICS_PORT: String(ports.metrics),
    WORKER_METRICS_PORT: String(ports.workerMetrics),
  };
  const processes = [
    startOwn(context, { name: 'worker', env, readyUrl: `http://127.0.0.1:${ports.workerMetrics}/readyz` }),
    startOwn(context, { name: 'api', env, readyUrl: `http://127.0.0.1:${ports.api}/readyz` }),
  ];
  starts.push(...processes);
  const died = failure.promise.then((error) => Promise.reject(error));
  await Promise.race([Promise.all(processes), died, aborted]);
  const addresses = { PostgreSQL: database, Temporal: temporal, Composio: composio, model };
  return {
    apiUrl: `http://localhost:${ports.api}`,
    apiKey: access.apiKey,
    authorizationFile: access.authorizationFile,
    parts: PART_NAMES.map((name) => ({ name, isEmbedded: plan[name], address: addresses[name].address })),
    databaseUrl: database.url ?? '',
    env,
    temporalUiUrl: temporal.url,
    composioUrl: composio.url,
    modelUrl: model.url,
    metricsUrl: `http://127.0.0.1:${ports.metrics}/metrics`,
    workerMetricsUrl: `http://127.0.0.1:${ports.workerMetrics}/metrics`,
    dataDir: dir.path,
    failed: failure.promise,
    stop: () => releases.releaseAll(),
  };
}

async function startOwn(
  { dir, releases, fail, signal }: StartContext,
  { name, env, readyUrl }: { name: 'worker' | 'api'; env: NodeJS.ProcessEnv; readyUrl: string },
): Promise<NodeChild> {
  const child = startNodeChild({
    name: `the ${name} process`,
    script: join(import.meta.dirname, '..', '..', name, 'main.ts'),
    env,
    cwd: process.cwd(), // paths in the person's variables are relative to it
    logFile: join(dir.logs, `${name}.log`),
  });
  await releases.add(RANK[name], () => child.stop(STOP_GRACE_MS[name]));
  await waitForUrl(readyUrl, child, { timeoutMs: READY_TIMEOUT_MS, signal });
  void describeEnd(child).then(fail);
  return child;
}

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  promise.catch(() => undefined); // awaited only while something starts
  return promise;
}
