/**
 * Accounts, auth configs, links and the subscription in one JSON file, replaced whole: a crash leaves the old or the new
 * file, never half of one. A change is on disk at most SAVE_DELAY_MS after it happened.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Account } from './account.ts';
import type { Accounts } from './accounts.ts';
import type { AuthConfig, AuthConfigs } from './auth-configs.ts';
import type { Link, Links } from './links.ts';
import type { WebhookSubscription } from './webhook-subscription.ts';

// Gathers the changes of one burst into one write; short, because a killed sandbox loses this much.
const SAVE_DELAY_MS = 25;

type Content = {
  readonly accounts: readonly Account[];
  readonly authConfigs: readonly AuthConfig[];
  readonly links: readonly Link[];
  readonly subscription: WebhookSubscription | null;
};
type Source = {
  readonly accounts: Accounts;
  readonly authConfigs: AuthConfigs;
  readonly links: Links;
  subscription: WebhookSubscription | null;
};

export class SnapshotFile {
  readonly #path: string;
  #source: Source | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** Fills `source` from the file, if there is one, and saves it from now on. */
  attach(source: Source): void {
    if (existsSync(this.#path)) {
      const content = this.#read();
      for (const account of content.accounts) source.accounts.restore(account);
      for (const config of content.authConfigs) source.authConfigs.restore(config);
      for (const link of content.links) source.links.restore(link);
      source.subscription = content.subscription;
    }
    this.#source = source;
  }

  #read(): Content {
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8')) as Content;
    } catch (error) {
      throw new Error(`${this.#path} cannot be read; delete it to start anew`, { cause: error });
    }
  }

  saveSoon(): void {
    if (this.#source === null) return;
    this.#timer ??= setTimeout(() => this.saveNow(), SAVE_DELAY_MS);
  }

  saveNow(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const source = this.#source;
    if (source === null) return;
    const content: Content = {
      accounts: [...source.accounts.all()],
      authConfigs: [...source.authConfigs.list(null)].reverse(),
      links: [...source.links.all()],
      subscription: source.subscription,
    };
    const temporary = `${this.#path}.tmp`;
    const descriptor = openSync(temporary, 'w');
    writeFileSync(descriptor, JSON.stringify(content));
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(temporary, this.#path);
  }
}
