/**
 * The API on top of a test Bellhop: real database, Temporal, worker and sandboxes, over real HTTP. Every answer is held
 * against the OpenAPI document on the way.
 */
import { request } from 'node:http';
import { Writable } from 'node:stream';
import type { ActivitySettings } from '../../../activities/deps.ts';
import { createApp } from '../../../api/app.ts';
import { createAuthenticate } from '../../../api/auth.ts';
import { PLAIN_BRAND } from '../../../api/brand.ts';
import { createCallerLimits } from '../../../api/caller-limits.ts';
import { type CallbackDesk, createCallbackDesk } from '../../../api/connect/callback-desk.ts';
import type { ApiDeps } from '../../../api/deps.ts';
import { createLogger } from '../../../api/logger.ts';
import { createHttpMetrics } from '../../../api/metrics.ts';
import { observeComposio } from '../../../api/observed-composio.ts';
import { createProbes } from '../../../api/probes.ts';
import { createPortalSessions } from '../../../api/portal/portal-sessions.ts';
import { CONSOLE_FOLDER } from '../../../api/console/console-files.ts';
import { createConsoleSessions } from '../../../api/console/console-sessions.ts';
import { createReadiness } from '../../../api/readiness.ts';
import {
  createRunObservers,
  type RunObservers,
  type RunObserversOptions,
} from '../../../api/run-observers.ts';
import { startServer } from '../../../api/server.ts';
import { createStoredKeys } from '../../../api/stored-keys.ts';
import { createTemporalClient } from '../../../api/temporal-client.ts';
import { createWebhooksIn } from '../../../api/webhooks-in.ts';
import type { Config } from '../../../config/load-config.ts';
import type { TestBellhop } from '../../setup/bellhop.ts';
import { startTestBellhop } from '../../setup/bellhop.ts';
import { testTemporalAddress } from '../../setup/temporal.ts';
import type { Document } from './check-answer.ts';
import { createAnswerCheck } from './check-answer.ts';

export const KEY = 'test-bootstrap-key';

export type Answer<T> = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: T;
  readonly text: string;
};
export type CallOptions = {
  /** Sent as JSON; a string or a buffer is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
};
/** What tests look into without describing it again: the document holds the shapes. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyBody = any;

export type TestApi = {
  readonly bellhop: TestBellhop;
  readonly url: string;
  readonly port: number;
  readonly call: <T = AnyBody>(method: string, path: string, options?: CallOptions) => Promise<Answer<T>>;
  readonly observers: RunObservers;
  readonly callbackDesk: CallbackDesk;
  /** Everything that was logged so far, as text. */
  readonly logged: () => string;
  readonly close: () => Promise<void>;
};

export type ApiOptions = {
  readonly noWorker?: boolean;
  readonly settings?: Partial<ActivitySettings>;
  readonly connect?: Partial<Config['connect']>;
  readonly publicUrl?: string;
  /** Of Composio's webhook; without them it is switched off. */
  readonly webhookSecrets?: readonly string[];
  /** Of the API alone. */
  readonly temporalAddress?: string;
  /** A Temporal server of the caller's own, for the API and the worker. */
  readonly ownTemporal?: string;
  /** A migrated database of the caller's own, who drops it. */
  readonly databaseUrl?: string;
  readonly deps?: Partial<ApiDeps>;
  /** Of one API key; far more than any test makes. 0: no limit. */
  readonly requestsPerMinute?: number;
  readonly observers?: Partial<Pick<RunObserversOptions, 'listenUrl' | 'streams'>>;
};

const CONNECT: Config['connect'] = {
  verifierUrl: null,
  returnUrls: ['https://app.example/done'],
  pollIntervalMs: 200,
  callbackGraceMs: 300,
  freshAccountGraceMs: 1_500,
  timeoutMs: 600_000,
};

export async function startTestApi(options: ApiOptions = {}): Promise<TestApi> {
  const served: { app?: ReturnType<typeof createApp> } = {};
  // The address is a part of the links that the app makes, so it has to be known first.
  const server = await startServer((req, res) => void served.app?.(req, res), 0);
  const url = `http://127.0.0.1:${server.port}`;
  const publicUrl = options.publicUrl ?? url;
  const bellhop = await startTestBellhop({
    settings: { publicUrl, ...options.settings },
    ...(options.noWorker === true ? { noWorker: true } : {}),
    ...(options.databaseUrl === undefined ? {} : { databaseUrl: options.databaseUrl }),
    ...(options.ownTemporal === undefined ? {} : { temporalAddress: options.ownTemporal }),
  });
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const logger = createLogger({ level: 'info', name: 'test', destination });
  const composio = observeComposio(bellhop.composio);
  const address = options.temporalAddress ?? options.ownTemporal ?? (await testTemporalAddress());
  const temporal = createTemporalClient({ connectionOptions: { address }, namespace: 'default' });
  const metrics = createHttpMetrics();
  const observers = createRunObservers({
    db: bellhop.db,
    listenUrl: bellhop.databaseUrl,
    logger,
    registry: metrics.registry,
    ...options.observers,
  });
  const callbackDesk = createCallbackDesk({
    db: bellhop.db,
    composio,
    logger,
    requestsPerMinute: 2_000,
  });
  const webhooksIn = createWebhooksIn({
    secrets: options.webhookSecrets ?? [],
    temporal: temporal.client,
    taskQueue: bellhop.taskQueue,
    logger,
  });
  served.app = createApp({
    callbackDesk,
    webhooksIn,
    publicUrl,
    brand: PLAIN_BRAND,
    portalSessions: createPortalSessions({ secret: KEY, publicUrl }),
    consoleSessions: createConsoleSessions({ db: bellhop.db, secret: KEY, publicUrl }),
    console: { folder: CONSOLE_FOLDER, tryIt: false, temporalUi: null },
    connect: { ...CONNECT, ...options.connect },
    taskQueue: bellhop.taskQueue,
    db: bellhop.db,
    composio,
    temporal: temporal.client,
    ...observers,
    readiness: createReadiness(createProbes({ db: bellhop.db, temporal: temporal.client, composio })),
    metrics,
    logger,
    authenticate: createAuthenticate({ bootstrapKey: KEY, findKey: createStoredKeys(bellhop.db) }),
    limits: createCallerLimits(bellhop.db, {
      requestsPerMinute: options.requestsPerMinute ?? 10_000_000,
      logger,
    }),
    ...options.deps,
  });
  const document = JSON.parse((await send(url, 'GET', '/openapi.json', {})).text) as Document;
  const check = createAnswerCheck(document);
  return {
    bellhop,
    url,
    port: server.port,
    call: async (method, path, callOptions = {}) => {
      const answer = await send(url, method, path, withKey(callOptions));
      const contentType = String(answer.headers['content-type'] ?? '');
      const body: unknown =
        /json/.test(contentType) && answer.text !== '' ? JSON.parse(answer.text) : undefined;
      const seen = /html/.test(contentType) ? answer.text : body;
      check({ method, path, status: answer.status, contentType, body: seen });
      return { ...answer, body: body as never };
    },
    observers,
    callbackDesk,
    logged: () => lines.join(''),
    close: async () => {
      await observers.close();
      await server.close();
      await callbackDesk.close();
      await webhooksIn.close();
      await temporal.close();
      await bellhop.close();
    },
  };
}

function withKey(options: CallOptions): CallOptions {
  const named = options.headers ?? {};
  return {
    ...options,
    headers: 'authorization' in named ? named : { authorization: `Bearer ${KEY}`, ...named },
  };
}

/** Plain node:http: fetch would mend paths, merge headers and follow redirects. A header of undefined is not sent. */
export function send(
  url: string,
  method: string,
  path: string,
  { body, headers = {} }: CallOptions,
): Promise<Omit<Answer<never>, 'body'>> {
  const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
  const payload = body === undefined ? undefined : isRaw ? body : JSON.stringify(body);
  const sent = Object.fromEntries(
    Object.entries({
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
      ...headers,
    }).filter(([, value]) => value !== undefined),
  ) as Record<string, string | string[]>;
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const req = request({ hostname, port, method, path, headers: sent, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
      res.on('error', reject);
    });
    req.on('error', reject);
    req.end(payload);
  });
}
