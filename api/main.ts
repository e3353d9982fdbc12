/** The API process: config → logger → database → Composio → Temporal → app → listen; stops in the reverse order. */
import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { RequestHandler } from 'express';
import { createComposio } from '../composio/create-composio.ts';
import { loadConfig } from '../config/load-config.ts';
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

async function main(): Promise<void> {
  const { http, log, connect, ...config } = loadConfig(process.env, 'api');
  const { publicUrl } = http;
  const logger = createLogger({ level: log.level, name: 'bellhop-api' });
  const onIdleError = (err: Error): void => logger.warn({ err }, 'an idle database connection broke');
  const db = createDatabase({
    url: config.database.url,
    name: 'bellhop-api',
    prepares: !config.database.isPooled,
    onIdleError,
  });
  const budget = createComposioBudget(db, {
    requestsPerMinute: config.composio.requestsPerMinute,
    listenUrl: config.database.directUrl,
    name: 'bellhop-api-budget',
    onListenerLost: (err) => logger.warn({ err }, 'pauses that Composio asks for are heard late'),
  });
  const metrics = createHttpMetrics();
  const { registry } = metrics;
  registerBudgetMetrics(registry, budget);
  registerDatabaseGauges(registry, { db, requestsPerMinute: config.composio.requestsPerMinute });
  // Whatever the API asks, a person waits for it.
  const port = createComposio({ ...config.composio, budget }).withClass('flows');
  const tracing = await startTracing({ isOn: isTracingOn(process.env), name: 'bellhop-api' });
  const counted = watchComposio(port, createComposioMetrics(registry));
  const composio = observeComposio(tracing ? watchComposio(counted, tracing.composio) : counted);
  const temporalConfig = loadTemporalConfig(process.env);
  const temporalClient = createTemporalClient({
    ...temporalConfig,
    ...(tracing ? { interceptors: tracing.client } : {}),
  });
  const temporal = temporalClient.client;
  const readiness = createReadiness(createProbes({ db, temporal, composio }));
  const observers = createRunObservers({ db, listenUrl: config.database.directUrl, logger, registry });
  const bootstrapKey = config.bellhopKey || null;
  if (bootstrapKey === null) await requireAdminKey(db, logger);
  const authenticate = createAuthenticate({ bootstrapKey, findKey: createStoredKeys(db) });
  const { taskQueue, separateQueues } = config.temporal;
  const audits = separateQueues.includes('audit') ? { auditTaskQueue: auditTaskQueue(taskQueue) } : {};
  const brand = loadBrand(config.brand);
  const sessions = { secret: config.sessionSecret, publicUrl };
  const portalSessions = createPortalSessions(sessions);
  const consoleSessions = createConsoleSessions({ db, ...sessions });
  const { uiUrl } = config.temporal;
  const consoleSettings = {
    folder: CONSOLE_FOLDER,
    tryIt: config.console.tryIt,
    temporalUi: uiUrl === null ? null : { url: uiUrl, namespace: temporalConfig.namespace },
  };
  const limits = createCallerLimits(db, { requestsPerMinute: http.requestsPerMinute, logger });
  const callbackDesk = createCallbackDesk({ db, composio, logger });
  const secrets = config.composio.webhookSecrets;
  const webhooksIn = createWebhooksIn({ secrets, temporal, taskQueue, logger });
  const tools = {
    callbackDesk,
    webhooksIn,
    db,
    composio,
    temporal,
    ...observers,
    readiness,
    metrics,
    logger,
    authenticate,
    portalSessions,
    consoleSessions,
    console: consoleSettings,
    limits,
    ...(tracing ? { trace: tracing.http as RequestHandler } : {}),
  };
  const server = await startServer(
    createApp({
      publicUrl,
      trustedProxies: http.trustedProxies,
      brand,
      connect,
      taskQueue,
      ...audits,
      ...tools,
    }),
    http.port,
  );
  const metricsServer = http.metricsPort === null ? null : await serveMetrics(metrics, http.metricsPort);
  const metricsPort = metricsServer?.port;
  logger.info({ port: server.port, metricsPort, publicUrl }, 'the API listens');

  closeWithGrace({ delay: http.shutdownDelayMs + CLOSE_DELAY_MS, logger }, async ({ signal, err }) => {
    logger.info({ signal, err }, 'the API stops');
    readiness.close();
    await sleep(http.shutdownDelayMs);
    await observers.close();
    await server.close();
    await callbackDesk.close();
    await webhooksIn.close();
    await metricsServer?.close();
    await temporalClient.close();
    await budget.close();
    await db.destroy();
    await tracing?.close();
  });
}

await main().catch((error: unknown) => {
  console.error(explainStartFailure(error));
  process.exit(1);
});
