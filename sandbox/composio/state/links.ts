/** Connect links: minted for one account, open for some minutes, used once. */
import { nanoId } from './ids.ts';

export type Link = {
  readonly token: string;
  readonly accountId: string;
  readonly callbackUrl: string | null;
  /** Epoch milliseconds. */
  expiresAt: number;
  outcome: 'open' | 'approved' | 'denied';
  /** `initiate` links come back with `connectedAccountId` and `appName`, as the older call's do. */
  readonly style: 'link' | 'initiate';
};

export class Links {
  readonly #byToken = new Map<string, Link>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  create(details: Pick<Link, 'accountId' | 'callbackUrl' | 'expiresAt' | 'style'>): Link {
    const link: Link = { ...details, token: nanoId('lk_', 24), outcome: 'open' };
    this.restore(link);
    return link;
  }

  restore(link: Link): void {
    this.#byToken.set(link.token, link);
    this.#onChange();
  }

  get(token: string): Link | undefined {
    return this.#byToken.get(token);
  }

  /** The links of one account, newest last. */
  ofAccount(accountId: string): readonly Link[] {
    return [...this.#byToken.values()].filter((link) => link.accountId === accountId);
  }

  all(): Iterable<Link> {
    return this.#byToken.values();
  }

  settle(link: Link, outcome: 'approved' | 'denied'): void {
    link.outcome = outcome;
    this.#onChange();
  }

  expire(link: Link): void {
    link.expiresAt = 0;
    this.#onChange();
  }

  /** Forgets what ended long ago, so that a long-running sandbox does not grow with every click. */
  forgetBefore(epochMs: number): void {
    for (const link of this.#byToken.values()) {
      if (link.expiresAt < epochMs) this.#byToken.delete(link.token);
    }
  }
}

export function isOpenLink(link: Link, nowMs: number): boolean {
  return link.outcome === 'open' && link.expiresAt > nowMs;
}
