/** What routes work with. Made by the main file, handed down by parameter; nothing here is created at import. */
import type { Client } from '@temporalio/client';
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { ComposioPort } from '../composio/port.ts';
import type { Config } from '../config/load-config.ts';
import type { Database } from '../db/pool.ts';
import type { CallerLimits } from './admit.ts';
import type { Brand } from './brand.ts';
import type { Authenticate } from './auth.ts';
import type { ConsoleSessions } from './console/console-sessions.ts';
import type { ConsoleSettings } from './console/console-settings.ts';
import type { CallbackDesk } from './connect/callback-desk.ts';
import type { HttpMetrics } from './metrics.ts';
import type { EventStreams } from './event-streams.ts';
import type { PortalSessions } from './portal/portal-sessions.ts';
import type { Readiness } from './readiness.ts';
import type { RunWatch } from './run-watch.ts';
import type { WebhooksIn } from './webhooks-in.ts';

export type ApiDeps = {
  readonly publicUrl: string;
  readonly brand: Brand;
  /** Whose X-Forwarded-For is believed; none: nobody's. */
  readonly trustedProxies?: readonly string[];
  readonly connect: Config['connect'];
  readonly taskQueue: string;
  /** Where audits go; without it: the same. */
  readonly auditTaskQueue?: string;
  readonly db: Database;
  readonly composio: ComposioPort;
  readonly temporal: Client;
  readonly runWatch: RunWatch;
  readonly eventStreams: EventStreams;
  readonly authenticate: Authenticate;
  readonly console: ConsoleSettings;
  readonly consoleSessions: ConsoleSessions;
  readonly portalSessions: PortalSessions;
  readonly limits: CallerLimits;
  readonly callbackDesk: CallbackDesk;
  readonly webhooksIn: WebhooksIn;
  readonly readiness: Readiness;
  readonly metrics: HttpMetrics;
  readonly logger: Logger;
  /** Comes before everything else, where traces are on. */
  readonly trace?: RequestHandler;
};
