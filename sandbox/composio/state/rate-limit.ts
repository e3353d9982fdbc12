/** The organisation's request limit: a fixed window over all endpoints, told in three headers on every answer. */
import type { SandboxSettings } from '../options.ts';

export type RateVerdict = { readonly allowed: boolean; readonly headers: Readonly<Record<string, string>> };

export class RateLimit {
  readonly #settings: Pick<SandboxSettings, 'rateLimit' | 'rateWindowMs'>;
  #windowStart = 0;
  #used = 0;

  constructor(settings: Pick<SandboxSettings, 'rateLimit' | 'rateWindowMs'>) {
    this.#settings = settings;
  }

  take(nowMs: number): RateVerdict {
    const { rateLimit, rateWindowMs } = this.#settings;
    if (nowMs - this.#windowStart >= rateWindowMs || nowMs < this.#windowStart) {
      this.#windowStart = nowMs;
      this.#used = 0;
    }
    const allowed = this.#used < rateLimit;
    if (allowed) this.#used += 1;
    const headers: Record<string, string> = {
      'X-RateLimit': String(rateLimit),
      'X-RateLimit-Remaining': String(Math.max(0, rateLimit - this.#used)),
      'X-RateLimit-Window-Size': `${Math.ceil(rateWindowMs / 1000)}s`,
    };
    if (!allowed) {
      headers['Retry-After'] = String(
        Math.max(1, Math.ceil((this.#windowStart + rateWindowMs - nowMs) / 1000)),
      );
    }
    return { allowed, headers };
  }

  /** Starts a new window: a changed limit counts from now. */
  reset(): void {
    this.#windowStart = 0;
  }
}
