/** The environment as one frozen object. Called only by main files; nothing else in the project reads the environment. */
import type { Retention } from '../domain/retention.ts';
import type { ToolEffect } from '../domain/tool.ts';
import { ConfigError } from './config-error.ts';
import type { Environment, ProcessName, WorkerQueue } from './schema.ts';
import { environmentSchema, REQUIRED } from './schema.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** Durations are milliseconds. A text that this process does not need and that is not set is empty; what is optional is null. */
export type Config = {
  readonly http: {
    readonly port: number;
    readonly publicUrl: string;
    readonly metricsPort: number | null;
    /** Addresses and networks whose X-Forwarded-For is believed. */
    readonly trustedProxies: readonly string[];
    /** Of one API key; 0: no limit. */
    readonly requestsPerMinute: number;
    /** Between being told to stop and no longer accepting. */
    readonly shutdownDelayMs: number;
  };
  readonly worker: {
    readonly metricsPort: number | null;
    readonly workflowBundlePath: string | null;
    readonly toolTimeoutMs: number;
    readonly userRuns: number;
    /** What this worker serves. */
    readonly queues: readonly WorkerQueue[];
    /** Which version of which worker deployment this worker is; null: it is not versioned. */
    readonly deployment: { readonly name: string; readonly buildId: string } | null;
  };
  readonly temporal: {
    readonly taskQueue: string;
    /** Kinds of work that have a queue of their own. */
    readonly separateQueues: readonly WorkerQueue[];
    /** Temporal's own web UI, where people reach it. */
    readonly uiUrl: string | null;
  };
  readonly brand: {
    readonly name: string;
    readonly logoPath: string | null;
    /** `#rrggbb`. */
    readonly color: string | null;
  };
  /** Of links and sessions of the pages for people; the same on every API process. */
  readonly sessionSecret: string;
  readonly console: { readonly tryIt: boolean };
  readonly database: {
    readonly url: string;
    /** For a connection that must stay the same one. */
    readonly directUrl: string;
    /** `url` goes through a pooler: it is another one than `directUrl`. */
    readonly isPooled: boolean;
  };
  readonly composio: {
    readonly sdk: Environment['COMPOSIO_SDK'];
    readonly apiKey: string;
    readonly baseUrl: string;
    /** Of Composio's webhook; none: it is switched off. */
    readonly webhookSecrets: readonly string[];
    readonly requestsPerMinute: number;
    /** App → auth config id, for the apps that the operator has named. */
    readonly authConfigs: ReadonlyMap<string, string>;
    /** What the operator says that a tool does, whatever its tags say. */
    readonly toolEffects: ReadonlyMap<string, ToolEffect>;
  };
  readonly model: { readonly apiKey: string; readonly baseUrl: string; readonly model: string };
  /** The bootstrap key of the HTTP API, scope `admin`; empty: switched off. */
  readonly bellhopKey: string;
  readonly notices: {
    readonly webhook: { readonly url: string; readonly secret: string } | null;
    readonly mail: { readonly smtpUrl: string; readonly from: string } | null;
  };
  readonly connect: {
    readonly verifierUrl: string | null;
    readonly returnUrls: readonly string[];
    readonly pollIntervalMs: number;
    readonly callbackGraceMs: number;
    readonly freshAccountGraceMs: number;
    readonly timeoutMs: number;
  };
  readonly audit: { readonly cron: string };
  /** How long what is over is kept; null: forever. */
  readonly retention: Retention;
  readonly log: { readonly level: Environment['LOG_LEVEL'] };
  readonly sandbox: {
    readonly dataDir: string;
    readonly composioPort: number | null;
    readonly modelPort: number | null;
  };
  /** Test aid: switches one safety off, so that the tests which hold it can be seen to fail. */
  readonly sabotage: Environment['SABOTAGE'] | null;
};

/** @throws ConfigError that lists everything that is missing or not understood, at once. */
export function loadConfig(env: Env, process: ProcessName): Config {
  const set = Object.fromEntries(
    Object.entries(env).filter(([, text]) => text !== undefined && text.trim() !== ''),
  );
  const missing = REQUIRED[process]
    .filter((name) => set[name] === undefined)
    .map((name) => `${name} is not set; the ${process} process needs it`);
  const parsed = environmentSchema.safeParse(set);
  if (!parsed.success) {
    throw new ConfigError([
      ...missing,
      ...parsed.error.issues.map((i) => `${i.path.join('.')} ${reason(i)}`),
    ]);
  }
  const problems = [...missing, ...findContradictions(parsed.data)];
  if (problems.length > 0) throw new ConfigError(problems);
  return freeze(toConfig(parsed.data));
}

function reason(issue: { code: string; message: string; values?: unknown }): string {
  return issue.code === 'invalid_value' && Array.isArray(issue.values)
    ? `must be one of ${issue.values.join(', ')}`
    : issue.message;
}

function findContradictions(env: Environment): string[] {
  const problems: string[] = [];
  if (env.BELLHOP_WEBHOOK_URL && !env.BELLHOP_WEBHOOK_SECRET) {
    problems.push('BELLHOP_WEBHOOK_SECRET is not set; notices to BELLHOP_WEBHOOK_URL are signed with it');
  }
  if (env.SMTP_URL && !env.MAIL_FROM)
    problems.push('MAIL_FROM is not set; mail through SMTP_URL is sent from it');
  if ((env.TEMPORAL_DEPLOYMENT_NAME === undefined) !== (env.TEMPORAL_WORKER_BUILD_ID === undefined)) {
    const missing =
      env.TEMPORAL_WORKER_BUILD_ID === undefined ? 'TEMPORAL_WORKER_BUILD_ID' : 'TEMPORAL_DEPLOYMENT_NAME';
    problems.push(`${missing} is not set; a versioned worker has a deployment name and a build id`);
  }
  if (env.SABOTAGE && env.NODE_ENV === 'production') {
    problems.push('SABOTAGE is set; it switches a safety off and is refused with NODE_ENV=production');
  }
  return problems;
}

function toConfig(env: Environment): Config {
  return {
    http: {
      port: env.PORT,
      publicUrl: env.PUBLIC_URL ?? `http://localhost:${env.PORT}`,
      metricsPort: env.METRICS_PORT ?? null,
      trustedProxies: env.TRUSTED_PROXIES ?? [],
      requestsPerMinute: env.API_REQUESTS_PER_MINUTE,
      shutdownDelayMs: env.API_SHUTDOWN_DELAY ?? 0,
    },
    worker: {
      metricsPort: env.WORKER_METRICS_PORT ?? null,
      workflowBundlePath: env.BELLHOP_WORKFLOW_BUNDLE ?? null,
      toolTimeoutMs: env.TOOL_TIMEOUT,
      userRuns: env.USER_RUNS,
      deployment: toDeployment(env),
      queues: env.WORKER_QUEUES ?? ['main', 'notices', ...(env.TEMPORAL_SEPARATE_QUEUES ?? [])],
    },
    temporal: {
      taskQueue: env.TEMPORAL_TASK_QUEUE,
      separateQueues: env.TEMPORAL_SEPARATE_QUEUES ?? [],
      uiUrl: env.TEMPORAL_UI_URL ?? null,
    },
    brand: {
      name: env.BELLHOP_BRAND_NAME,
      logoPath: env.BELLHOP_BRAND_LOGO ?? null,
      color: env.BELLHOP_BRAND_COLOR ?? null,
    },
    sessionSecret: env.BELLHOP_SESSION_SECRET ?? env.COMPOSIO_API_KEY ?? '',
    console: { tryIt: env.CONSOLE_TRY_IT },
    database: {
      url: env.DATABASE_URL ?? '',
      directUrl: env.DATABASE_DIRECT_URL ?? env.DATABASE_URL ?? '',
      isPooled: env.DATABASE_DIRECT_URL !== undefined && env.DATABASE_DIRECT_URL !== env.DATABASE_URL,
    },
    composio: {
      sdk: env.COMPOSIO_SDK,
      apiKey: env.COMPOSIO_API_KEY ?? '',
      baseUrl: env.COMPOSIO_BASE_URL,
      webhookSecrets: env.COMPOSIO_WEBHOOK_SECRET ?? [],
      requestsPerMinute: env.COMPOSIO_REQUESTS_PER_MINUTE,
      authConfigs: env.COMPOSIO_AUTH_CONFIGS ?? new Map<string, string>(),
      toolEffects: env.TOOL_EFFECTS ?? new Map<string, ToolEffect>(),
    },
    model: { apiKey: env.OPENAI_API_KEY ?? '', baseUrl: env.OPENAI_BASE_URL, model: env.OPENAI_MODEL },
    bellhopKey: env.BELLHOP_API_KEY ?? '',
    notices: toNotices(env),
    connect: {
      verifierUrl: env.BELLHOP_VERIFIER_URL ?? null,
      returnUrls: env.BELLHOP_RETURN_URLS ?? [],
      pollIntervalMs: env.CONNECT_POLL_INTERVAL,
      callbackGraceMs: env.CONNECT_CALLBACK_GRACE,
      freshAccountGraceMs: env.CONNECT_FRESH_GRACE,
      timeoutMs: env.CONNECT_TIMEOUT,
    },
    audit: { cron: env.AUDIT_CRON },
    retention: {
      runsMs: env.RETENTION_RUNS,
      eventsMs: env.RETENTION_EVENTS,
      deliveriesMs: env.RETENTION_DELIVERIES,
      flowsMs: env.RETENTION_FLOWS,
      auditsMs: env.RETENTION_AUDITS,
    },
    log: { level: env.LOG_LEVEL },
    sandbox: {
      dataDir: env.BELLHOP_DATA_DIR,
      composioPort: env.COMPOSIO_SANDBOX_PORT ?? null,
      modelPort: env.MODEL_SANDBOX_PORT ?? null,
    },
    sabotage: env.SABOTAGE ?? null,
  };
}

function toDeployment(env: Environment): Config['worker']['deployment'] {
  const { TEMPORAL_DEPLOYMENT_NAME: name, TEMPORAL_WORKER_BUILD_ID: buildId } = env;
  return name !== undefined && buildId !== undefined ? { name, buildId } : null;
}

function toNotices(env: Environment): Config['notices'] {
  return {
    webhook:
      env.BELLHOP_WEBHOOK_URL && env.BELLHOP_WEBHOOK_SECRET
        ? { url: env.BELLHOP_WEBHOOK_URL, secret: env.BELLHOP_WEBHOOK_SECRET }
        : null,
    mail: env.SMTP_URL && env.MAIL_FROM ? { smtpUrl: env.SMTP_URL, from: env.MAIL_FROM } : null,
  };
}

/** Freezes the object and every plain object and list inside it. */
function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (inner !== null && typeof inner === 'object' && !(inner instanceof Map)) freeze(inner as object);
  }
  return Object.freeze(value);
}
