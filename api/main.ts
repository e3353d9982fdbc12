/** The API process: config → logger → database → Composio → Temporal → app → listen; stops in the reverse order. */
import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import { createComposio } from '../composio/create-composio.ts';
import { type Config, loadConfig } from '../config/load-config.ts';
import { loadTemporalConfig } from '../config/temporal.ts';
import { isTracingOn } from '../config/tracing.ts';
import { createDatabase } from '../db/pool.ts';
import { createComposioMetrics, registerBudgetMetrics } from '../telemetry/call-metrics.ts';
import { registerDatabaseGauges } from '../telemetry/database-gauges.ts';
import { startTracing } from '../telemetry/tracing.ts';
import { watchComposio } from '../telemetry/watched-ports.ts';
import { auditTaskQueue } from '../workflows/messages.ts';
import { createApp } from './app.ts';
import { createAuthenticate } from './auth.ts';
import { loadBrand } from './brand.ts';
import { CONSOLE_FOLDER } from './console/console-files.ts';
import { createConsoleSessions } from './console/console-sessions.ts';
import { createCallbackDesk } from './connect/callback-desk.ts';
import { createCallerLimits } from './caller-limits.ts';
import { createComposioBudget } from './composio-budget.ts';
import type { ApiDeps } from './deps.ts';
import { createLogger } from './logger.ts';
import { createHttpMetrics } from './metrics.ts';
import { observeComposio } from './observed-composio.ts';
import { createProbes } from './probes.ts';
import { createPortalSessions } from './portal/portal-sessions.ts';
import { createReadiness } from './readiness.ts';
import { createRunObservers } from './run-observers.ts';
import { requireAdminKey } from './require-admin-key.ts';
import { CLOSE_DELAY_MS, explainStartFailure, serveMetrics, startServer } from './server.ts';
import { createStoredKeys } from './stored-keys.ts';
import { createTemporalClient } from './temporal-client.ts';
import { createWebhooksIn } from './webhooks-in.ts';

/** Closes one part; lists of them are in the order in which they run. */
type Closer = () => Promise<unknown>;

async function main(): Promise<void> {
  const config = loadConfig(process.env, 'api');
  const { http } = config;
  const logger = createLogger({ level: config.log.level, name: 'bellhop-api' });
  const outside = await openOutside(config, logger);
  const inside = await createInside(config, outside, logger);
  const { metrics } = outside;
  const server = await startServer(createApp(inside.deps), http.port);
  const metricsServer = http.metricsPort === null ? null : await serveMetrics(metrics, http.metricsPort);
  logger.info(
    { port: server.port, metricsPort: metricsServer?.port, publicUrl: http.publicUrl },
    'the API listens',
  );
  closeWithGrace({ delay: http.shutdownDelayMs + CLOSE_DELAY_MS, logger }, async ({ signal, err }) => {
    logger.info({ signal, err }, 'the API stops');
    inside.deps.readiness.close();
    await sleep(http.shutdownDelayMs);
    // Streams and waits end first: a server that closes waits for them.
    await inside.observers.close();
    await server.close();
    for (const close of inside.closers) await close();
    await metricsServer?.close();
    for (const close of outside.closers) await close();
  });
}

/** What the API reaches: the database, Composio, Temporal, a collector of traces; and what counts them. */
async function openOutside(config: Config, logger: Logger) {
  const { requestsPerMinute } = config.composio;
  const db = createDatabase({
    url: config.database.url,
    name: 'bellhop-api',
    prepares: !config.database.isPooled,
    onIdleError: (err) => logger.warn({ err }, 'an idle database connection broke'),
  });
  const budget = createComposioBudget(db, {
    requestsPerMinute,
    listenUrl: config.database.directUrl,
    name: 'bellhop-api-budget',
    onListenerLost: (err) => logger.warn({ err }, 'pauses that Composio asks for are heard late'),
  });
  const metrics = createHttpMetrics();
  registerBudgetMetrics(metrics.registry, budget);
  registerDatabaseGauges(metrics.registry, { db, requestsPerMinute });
  // Whatever the API asks, a person waits for it.
  const port = createComposio({ ...config.composio, budget }).withClass('flows');
  const tracing = await startTracing({ isOn: isTracingOn(process.env), name: 'bellhop-api' });
  const counted = watchComposio(port, createComposioMetrics(metrics.registry));
  const composio = observeComposio(tracing ? watchComposio(counted, tracing.composio) : counted);
  const temporalConfig = loadTemporalConfig(process.env);
  const temporal = createTemporalClient({
    ...temporalConfig,
    ...(tracing ? { interceptors: tracing.client } : {}),
  });
  const closers: readonly Closer[] = [
    () => temporal.close(),
    () => budget.close(),
    () => db.destroy(),
    async () => tracing?.close(),
  ];
  const trace = tracing ? { trace: tracing.http as RequestHandler } : {};
  return {
    db,
    metrics,
    composio,
    temporal: temporal.client,
    namespace: temporalConfig.namespace,
    trace,
    closers,
  };
}

/** What routes work with, on top of it. @throws when nobody could ever use this API. */
async function createInside(
  config: Config,
  outside: Awaited<ReturnType<typeof openOutside>>,
  logger: Logger,
) {
  const { db, metrics, composio, temporal, namespace, trace } = outside;
  const { http, connect, brand, console: page } = config;
  const bootstrapKey = config.bellhopKey || null;
  if (bootstrapKey === null) await requireAdminKey(db, logger);
  const { taskQueue, separateQueues, uiUrl } = config.temporal;
  const listenUrl = config.database.directUrl;
  const observers = createRunObservers({ db, listenUrl, logger, registry: metrics.registry });
  const sessions = { secret: config.sessionSecret, publicUrl: http.publicUrl };
  const callbackDesk = createCallbackDesk({
    db,
    composio,
    logger,
    requestsPerMinute: config.composio.requestsPerMinute,
  });
  const webhooksIn = createWebhooksIn({
    secrets: config.composio.webhookSecrets,
    temporal,
    taskQueue,
    logger,
  });
  const deps: ApiDeps = {
    publicUrl: http.publicUrl,
    trustedProxies: http.trustedProxies,
    brand: loadBrand(brand),
    connect,
    taskQueue,
    ...(separateQueues.includes('audit') ? { auditTaskQueue: auditTaskQueue(taskQueue) } : {}),
    callbackDesk,
    webhooksIn,
    db,
    composio,
    temporal,
    ...observers,
    readiness: createReadiness(createProbes({ db, temporal, composio })),
    metrics,
    logger,
    authenticate: createAuthenticate({ bootstrapKey, findKey: createStoredKeys(db) }),
    portalSessions: createPortalSessions(sessions),
    consoleSessions: createConsoleSessions({ db, ...sessions }),
    console: {
      folder: CONSOLE_FOLDER,
      tryIt: page.tryIt,
      temporalUi: uiUrl === null ? null : { url: uiUrl, namespace },
    },
    limits: createCallerLimits(db, { requestsPerMinute: http.requestsPerMinute, logger }),
    ...trace,
  };
  const closers: readonly Closer[] = [() => callbackDesk.close(), () => webhooksIn.close()];
  return { deps, observers, closers };
}

await main().catch((error: unknown) => {
  console.error(explainStartFailure(error));
  process.exit(1);
});
