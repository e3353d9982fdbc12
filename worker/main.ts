/** `npm run worker`: the worker's composition root. config → logger → db → composio → model → worker → run; teardown in reverse. */
import { createComposioBudget } from '../api/composio-budget.ts';
import { createLogger } from '../api/logger.ts';
import { createComposio } from '../composio/create-composio.ts';
import { ConfigError } from '../config/config-error.ts';
import { loadConfig } from '../config/load-config.ts';
import { loadTemporalConfig } from '../config/temporal.ts';
import { isTracingOn } from '../config/tracing.ts';
import { createDatabase } from '../db/pool.ts';
import { createSmtpMail } from '../mail/smtp.ts';
import { createModel } from '../model/openai.ts';
import { startTracing } from '../telemetry/tracing.ts';
import { connectTemporal } from './connect.ts';
import { createWorker } from './create-worker.ts';
import { serveHealth } from './health.ts';
import { boundHeapGrowth } from './memory.ts';
import { createWorkerMetrics } from './metrics.ts';
import { installRuntime } from './runtime.ts';
import { ensureSchedules } from './schedules.ts';
import { findMissingAttributes } from './search-attributes.ts';
import { activitySettings } from './settings.ts';
import { sayVersion } from './say-version.ts';
import { superviseWorker } from './supervise.ts';
import { auditTaskQueue } from '../workflows/messages.ts';
import { watchWorker } from './watchers.ts';
import { loadWorkflowBundle } from './workflow-bundle.ts';

boundHeapGrowth();
try {
  const config = loadConfig(process.env, 'worker');
  const logger = createLogger({ level: config.log.level, name: 'worker' });
  const port = config.worker.metricsPort;
  const metrics = port === null ? null : await createWorkerMetrics();
  const tracing = await startTracing({ isOn: isTracingOn(process.env), name: 'bellhop-worker' });
  installRuntime(logger, metrics?.temporalAddress ?? null);
  const onIdleError = (err: Error): void => logger.warn({ err }, 'idle database connection lost');
  const db = createDatabase({
    url: config.database.url,
    name: 'bellhop-worker',
    prepares: !config.database.isPooled,
    onIdleError,
  });
  const sabotage = config.sabotage === 'skip-scope' ? { sabotage: config.sabotage } : {};
  const budget = createComposioBudget(db, {
    requestsPerMinute: config.composio.requestsPerMinute,
    listenUrl: config.database.directUrl,
    name: 'bellhop-worker-budget',
    onListenerLost: (err) => logger.warn({ err }, 'pauses that Composio asks for are heard late'),
  });
  const composio = createComposio({ ...config.composio, ...sabotage, budget });
  const model = createModel({ ...config.model, defaultModel: config.model.model });
  const { mail: smtp } = config.notices;
  const mail = smtp && createSmtpMail({ url: smtp.smtpUrl, from: smtp.from });
  const temporalConfig = loadTemporalConfig(process.env);
  const [temporal, workflowBundle] = await Promise.all([
    connectTemporal(temporalConfig),
    loadWorkflowBundle(config.worker.workflowBundlePath),
    composio.preload(),
  ]);
  const command = await findMissingAttributes(temporal.client, temporalConfig.connectionOptions.address);
  if (command !== null)
    logger.warn({ command }, 'the namespace lacks search attributes; runs go without them');
  const { taskQueue } = config.temporal;
  const { namespace } = temporalConfig;
  const settings = activitySettings(config);
  const { requestsPerMinute } = config.composio;
  const deps = {
    db,
    ...watchWorker({ metrics, tracing }, { db, budget, requestsPerMinute, composio, model }),
    mail,
    settings,
    connection: temporal.native,
    namespace,
    taskQueue,
    workflowBundle,
    deployment: config.worker.deployment,
    queues: config.worker.queues,
  };
  const worker = await createWorker(deps);
  sayVersion(config.worker.deployment, namespace, logger);
  const isAuditSeparate = config.temporal.separateQueues.includes('audit');
  await ensureSchedules(temporal.client, {
    taskQueue,
    auditTaskQueue: isAuditSeparate ? auditTaskQueue(taskQueue) : taskQueue,
    auditCron: config.audit.cron,
  });
  const isReady = (): boolean => worker.getState() === 'RUNNING';
  const health = port === null || metrics === null ? null : await serveHealth(port, isReady, metrics);
  await superviseWorker({ worker, logger, graceMs: settings.toolTimeoutMs }, [
    async () => health?.close(),
    () => temporal.close(),
    () => budget.close(),
    async () => mail?.close(),
    () => db.destroy(),
    async () => tracing?.close(),
  ]);
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  console.error(error instanceof ConfigError ? reason : `worker: ${reason}`);
  process.exit(1);
}
