/** Everything one sandbox knows, in one object that the routes are given. Nothing of it is module state. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Barriers } from '../faults/barriers.ts';
import { FaultRules } from '../faults/fault-rules.ts';
import type { SandboxOptions, SandboxSettings } from '../options.ts';
import { DEFAULT_API_KEY, DEFAULT_SETTINGS } from '../options.ts';
import { AccountPages } from './account-pages.ts';
import { Accounts } from './accounts.ts';
import { AuthConfigs } from './auth-configs.ts';
import { Journal } from './journal.ts';
import { Links } from './links.ts';
import { RateLimit } from './rate-limit.ts';
import { RequestLog } from './request-log.ts';
import { SnapshotFile } from './snapshot-file.ts';
import type { WebhookSubscription } from './webhook-subscription.ts';

export type SandboxState = {
  readonly settings: SandboxSettings;
  readonly apiKeys: ReadonlySet<string>;
  readonly accounts: Accounts;
  readonly accountPages: AccountPages;
  readonly authConfigs: AuthConfigs;
  readonly links: Links;
  subscription: WebhookSubscription | null;
  readonly journal: Journal;
  readonly requestLog: RequestLog;
  readonly rateLimit: RateLimit;
  readonly faults: FaultRules;
  readonly barriers: Barriers;
  /** Ends what hangs, waits or trickles when the sandbox closes. */
  readonly closing: AbortController;
  /** Address for links; set once the server listens. */
  publicUrl: string;
  /** Writes the snapshot soon. Call after a change to anything but accounts and links, which call it themselves. */
  readonly changed: () => void;
  readonly snapshot: SnapshotFile | null;
};

export function createSandboxState(options: SandboxOptions): SandboxState {
  const settings: SandboxSettings = { ...DEFAULT_SETTINGS, ...options.settings };
  if (options.dataDir !== undefined) mkdirSync(options.dataDir, { recursive: true });
  const snapshot =
    options.dataDir === undefined ? null : new SnapshotFile(join(options.dataDir, 'composio-sandbox.json'));
  const changed = (): void => snapshot?.saveSoon();
  const accounts = new Accounts(changed);
  const state: SandboxState = {
    settings,
    apiKeys: new Set(options.apiKeys ?? [DEFAULT_API_KEY]),
    accounts,
    accountPages: new AccountPages(accounts),
    authConfigs: new AuthConfigs(),
    links: new Links(changed),
    subscription: null,
    journal: new Journal(
      options.dataDir === undefined ? null : join(options.dataDir, 'composio-effects.jsonl'),
    ),
    requestLog: new RequestLog(),
    rateLimit: new RateLimit(settings),
    faults: new FaultRules(),
    barriers: new Barriers(),
    closing: new AbortController(),
    publicUrl: options.publicUrl ?? '',
    changed,
    snapshot,
  };
  snapshot?.attach(state);
  return state;
}
