/**
 * Every environment variable that Bellhop reads itself, with its default. Temporal's own are in temporal.ts.
 * .env.example lists the same names; a test holds the two equal. An empty variable counts as unset.
 */
import { z } from 'zod';
import * as value from './values.ts';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export const SEPARATE_QUEUES = ['tools', 'audit'] as const;
export const WORKER_QUEUES = ['main', 'notices', ...SEPARATE_QUEUES] as const;
export type WorkerQueue = (typeof WORKER_QUEUES)[number];

const DAY_MS = 86_400_000;

export const variables = {
  PORT: value.port().default(8080),
  PUBLIC_URL: value.origin().optional(),
  // Whose X-Forwarded-For is believed; without it nobody's: anybody can write that header.
  TRUSTED_PROXIES: value.networks().optional(),
  METRICS_PORT: value.port().optional(),
  WORKER_METRICS_PORT: value.port().optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  // Load balancers learn from /readyz every few seconds; a new request that meets a closed port meanwhile is an error at a caller's.
  API_SHUTDOWN_DELAY: value.duration().optional(),

  DATABASE_URL: value.url('postgres:', 'postgresql:').optional(),
  // A transaction pooler behind DATABASE_URL forgets who listens; this goes around it.
  DATABASE_DIRECT_URL: value.url('postgres:', 'postgresql:').optional(),

  // Where people reach Temporal's web UI: the console links each run to its workflow there.
  TEMPORAL_UI_URL: value.baseUrl().optional(),
  TEMPORAL_TASK_QUEUE: z
    .string()
    .max(200)
    .regex(
      /^(?!.*-(tools|audit|notices)$)/,
      'must be a name that does not end in -tools, -audit or -notices: those are queues beside it',
    )
    .default('bellhop'),
  // Costs eager dispatch (docs/tuning.md), so it is off until one kind of work must not wait behind another.
  TEMPORAL_SEPARATE_QUEUES: value.listOf(SEPARATE_QUEUES).optional(),
  // What this worker serves. Default: the queues of runs and notices, and those that are separate.
  WORKER_QUEUES: value.listOf(WORKER_QUEUES).optional(),
  BELLHOP_WORKFLOW_BUNDLE: z.string().optional(),
  // Both, or neither: the worker is then a version of a worker deployment. The names are those that Temporal's Worker Controller sets.
  TEMPORAL_DEPLOYMENT_NAME: value.deploymentName().optional(),
  TEMPORAL_WORKER_BUILD_ID: value.buildId().optional(),

  COMPOSIO_API_KEY: value.apiKey().optional(),
  COMPOSIO_BASE_URL: value.baseUrl().default('https://backend.composio.dev'),
  // Two while Composio's is rotated: what was signed with the old one may be on its way still.
  COMPOSIO_WEBHOOK_SECRET: value.secrets().optional(),
  // Composio's smallest plan: 2,000 requests a minute for the whole organisation.
  COMPOSIO_REQUESTS_PER_MINUTE: value.positiveInteger().default(2000),
  COMPOSIO_AUTH_CONFIGS: value.authConfigs().optional(),
  // Tags say which tools only read; this says it for tools whose tags are wrong or missing.
  TOOL_EFFECTS: value.toolEffects().optional(),
  // Which SDK acts, behind the same port: docs/composio-sdks.md says when to choose which.
  COMPOSIO_SDK: z.enum(['composio-core', '@composio/core']).default('composio-core'),

  OPENAI_API_KEY: value.apiKey().optional(),
  OPENAI_BASE_URL: value.baseUrl().default('https://api.openai.com/v1'),
  OPENAI_MODEL: z.string().max(200).default('gpt-5-mini'),

  // Unset once a stored key with scope admin exists: the bootstrap key is then switched off.
  BELLHOP_API_KEY: value.apiKey().optional(),
  // Seals links and sessions of the pages for people. Without it: what the API has to have anyway, the key of Composio.
  BELLHOP_SESSION_SECRET: value.sessionSecret().optional(),
  // Of one API key, all replicas together, and so many at once. More than a busy backend makes; a loop that forgot to wait is slowed.
  API_REQUESTS_PER_MINUTE: value.wholeNumber().default(20_000),

  BELLHOP_WEBHOOK_URL: value.url('http:', 'https:').optional(),
  BELLHOP_WEBHOOK_SECRET: value.webhookSecret().optional(),
  SMTP_URL: value.url('smtp:', 'smtps:').optional(),
  MAIL_FROM: value.mailbox().optional(),

  // Whose pages these are to the people who connect accounts.
  BELLHOP_BRAND_NAME: z.string().max(60).default('Bellhop'),
  BELLHOP_BRAND_LOGO: z.string().optional(),
  BELLHOP_BRAND_COLOR: value.color().optional(),

  BELLHOP_VERIFIER_URL: value.url('http:', 'https:').optional(),
  BELLHOP_RETURN_URLS: value.urlList().optional(),
  CONNECT_POLL_INTERVAL: value.duration().default(15_000),
  CONNECT_CALLBACK_GRACE: value.duration().default(60_000),
  // Composio's own delay between an account's ACTIVE and its first working execution is seen to be up to a minute.
  CONNECT_FRESH_GRACE: value.duration().default(60_000),
  CONNECT_TIMEOUT: value.duration().default(7 * 86_400_000),

  // Of one tool's request at Composio. Most answer in seconds; some search for a minute.
  TOOL_TIMEOUT: value.duration().default(60_000),
  // Half of one worker's activity slots: one user's runs leave room for everybody else's.
  USER_RUNS: value.positiveInteger().default(50),

  // Four times a day: a whole audit costs users/100 Composio requests, and the webhook is the fast path.
  AUDIT_CRON: value.cron().default('0 */6 * * *'),

  // The console's form that starts runs for any user: for trying it, which is why only `npm start` switches it on.
  CONSOLE_TRY_IT: value.flag().default(false),

  // How long what is over is kept. Transcripts: a quarter, for whoever asks what an agent did; of threads still in use, all.
  RETENTION_RUNS: value.lifetime().default(90 * DAY_MS),
  // A reader of events follows a run, or comes back within days.
  RETENTION_EVENTS: value.lifetime().default(30 * DAY_MS),
  // Longer than anybody repeats a delivery by hand.
  RETENTION_DELIVERIES: value.lifetime().default(30 * DAY_MS),
  // Ended connection flows with their attempts, and closed episodes.
  RETENTION_FLOWS: value.lifetime().default(30 * DAY_MS),
  RETENTION_AUDITS: value.lifetime().default(90 * DAY_MS),

  BELLHOP_DATA_DIR: z.string().default('.bellhop'),
  COMPOSIO_SANDBOX_PORT: value.port().optional(),
  MODEL_SANDBOX_PORT: value.port().optional(),

  SABOTAGE: z.enum(['skip-scope', 'skip-ledger']).optional(),
  NODE_ENV: z.string().optional(),
} as const;

export const environmentSchema = z.object(variables);
export type Environment = z.infer<typeof environmentSchema>;
export type VariableName = keyof typeof variables;

export const PROCESS_NAMES = ['api', 'worker', 'migrate'] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];

/** What a process cannot do its work without. */
export const REQUIRED: Readonly<Record<ProcessName, readonly VariableName[]>> = {
  api: ['DATABASE_URL', 'COMPOSIO_API_KEY'],
  worker: ['DATABASE_URL', 'COMPOSIO_API_KEY', 'OPENAI_API_KEY'],
  migrate: ['DATABASE_URL'],
};
