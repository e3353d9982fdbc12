/** What the activities are made of. One object for all factories; each takes the parts it needs. */
import type { ComposioPort } from '../composio/port.ts';
import type { Database } from '../db/pool.ts';
import type { Retention } from '../domain/retention.ts';
import type { MailPort } from '../mail/port.ts';
import type { ModelPort } from '../model/port.ts';

export type ActivitySettings = {
  /** Whole time of one tool's execute request, milliseconds. */
  readonly toolTimeoutMs: number;
  /** How long polling must have seen an account ACTIVE before a consent without a callback counts. */
  readonly callbackGraceMs: number;
  /** How long an account that a flow has just verified may be refused before its user is asked again. */
  readonly freshAccountGraceMs: number;
  readonly pollIntervalMs: number;
  readonly connectTimeoutMs: number;
  /** Runs of one user that may be at work at once; the others wait in line. */
  readonly userRuns: number;
  /** The integrator's server confirms who consented; a consent found by polling never counts. */
  readonly verifierMode: boolean;
  /** Base of the links that users get. */
  readonly publicUrl: string;
  /** Where notices go; null when none is configured. */
  readonly webhook: { readonly url: string; readonly secret: string } | null;
  /** Notices that are the user's own business go to their mail address too. */
  readonly hasMail: boolean;
  /** Of the waits between two attempts to deliver a notice: 1, and less in tests, which have no four days. */
  readonly noticeWaitScale: number;
  /** Tool calls go to a task queue of their own. */
  readonly separateTools?: boolean;
  /** How long what is over is kept. */
  readonly retention: Retention;
  /** Test aid: skip the ledger's in-doubt check, so that the tests which hold it can be seen to fail. */
  readonly sabotage: 'skip-scope' | 'skip-ledger' | null;
};

export type ActivityDeps = {
  readonly db: Database;
  readonly composio: ComposioPort;
  readonly model: ModelPort;
  /** Null when no mail server is configured. */
  readonly mail: MailPort | null;
  readonly settings: ActivitySettings;
};
