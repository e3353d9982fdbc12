/** What a sandbox is started with, and what tests may change while it runs. Reads no environment; main.ts does. */
import type { ConnectionStatus } from '../../domain/statuses.ts';

/** Changeable at run time through the control API. Clock values are milliseconds. */
export type SandboxSettings = {
  /** Life of a connect link. */
  linkTtlMs: number;
  /** What a freshly minted account is until its user has decided. */
  freshStatus: Extract<ConnectionStatus, 'INITIALIZING' | 'INITIATED'>;
  /** What an account becomes when its link runs out without consent; INITIATED: it stays what it is. */
  unfinishedBecomes: Extract<ConnectionStatus, 'INITIATED' | 'EXPIRED' | 'FAILED'>;
  /** How long a consented account stays INITIATED before it is ACTIVE. */
  activeDelayMs: number;
  /** How long after its consent an ACTIVE account is refused by executions nevertheless, and in which words. */
  freshFailureMs: number;
  freshFailure: 'not_connected' | 'expired' | 'revoked';
  /** How many of the next consents lose their redirect (the browser ends on our page). -1: all. */
  dropCallbacks: number;
  /** When true, consent leaves the account INITIATED until `complete_auth` names its user. */
  callbackVerifier: boolean;
  /** No page of connected accounts is longer, whatever `limit` asks for. */
  maxPageSize: number;
  /** Requests per window, over all endpoints; above it 429. */
  rateLimit: number;
  rateWindowMs: number;
};

export const DEFAULT_SETTINGS: Readonly<SandboxSettings> = {
  // Composio's links live 10 minutes.
  linkTtlMs: 10 * 60_000,
  freshStatus: 'INITIATED',
  unfinishedBecomes: 'INITIATED',
  activeDelayMs: 0,
  freshFailureMs: 0,
  freshFailure: 'not_connected',
  dropCallbacks: 0,
  callbackVerifier: false,
  // The live maximum is not documented; 1000 is what large readers are seen to get.
  maxPageSize: 1000,
  // Far above any benchmark: a test that wants 429 sets its own limit (the live one is 2000 a minute).
  rateLimit: 10_000_000,
  // Composio counts in fixed windows of one minute.
  rateWindowMs: 60_000,
};

export const DEFAULT_API_KEY = 'sandbox-composio-key';

export type SandboxOptions = {
  /** 0 or absent: a free port. */
  readonly port?: number;
  /** Default 127.0.0.1: the control API has no key, so nothing else should reach it. */
  readonly host?: string;
  /** Where browsers reach this server, for the links it mints; default its own address. */
  readonly publicUrl?: string;
  /** Accounts and the effect journal are kept here across restarts; absent: in memory only. */
  readonly dataDir?: string;
  readonly apiKeys?: readonly string[];
  readonly settings?: Partial<SandboxSettings>;
};
