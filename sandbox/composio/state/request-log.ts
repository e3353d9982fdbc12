/** What was asked of the API, newest kept, so that tests can count requests. Holds no bodies and no key. */

export type LoggedRequest = {
  /** From 1, without gaps, over all requests ever logged. */
  readonly seq: number;
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The route's name, e.g. `tools.execute`; null when no route fits. */
  readonly route: string | null;
  readonly slug: string | null;
  readonly userIds: readonly string[];
  readonly accountId: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: the connection was cut without an answer, or the answer is still to come. */
  status: number | null;
  /** The fault rule that was applied, if any. */
  fault: string | null;
};

// Enough for the longest test that counts single requests; older entries only leave the list, not the totals.
const KEPT_REQUESTS = 20_000;
const HEADERS_OF_INTEREST = [
  'user-agent',
  'x-source',
  'x-runtime',
  'x-request-id',
  'common',
  'host',
] as const;

export class RequestLog {
  readonly #kept: LoggedRequest[] = [];
  readonly #countByRoute = new Map<string, number>();
  #oldest = 0;
  #total = 0;

  add(
    request: Omit<LoggedRequest, 'seq' | 'at' | 'headers' | 'status' | 'fault'>,
    headers: NodeJS.Dict<string | string[]>,
  ): LoggedRequest {
    this.#total += 1;
    const shown: Record<string, string> = {};
    for (const name of HEADERS_OF_INTEREST) {
      const value = headers[name];
      // `common` is the SDK's accidental second copy of the key: that it was sent matters, its value must not be kept.
      if (value !== undefined) shown[name] = name === 'common' ? '(present)' : String(value);
    }
    const entry: LoggedRequest = {
      seq: this.#total,
      at: new Date().toISOString(),
      ...request,
      headers: shown,
      status: null,
      fault: null,
    };
    this.#kept[(this.#total - 1) % KEPT_REQUESTS] = entry;
    if (this.#total > KEPT_REQUESTS) this.#oldest = this.#total - KEPT_REQUESTS;
    const route = request.route ?? 'other';
    this.#countByRoute.set(route, (this.#countByRoute.get(route) ?? 0) + 1);
    return entry;
  }

  get total(): number {
    return this.#total;
  }

  countByRoute(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#countByRoute);
  }

  /** Kept entries with a sequence number above `seq`, oldest first. */
  since(seq: number): readonly LoggedRequest[] {
    const entries: LoggedRequest[] = [];
    for (let at = Math.max(seq, this.#oldest); at < this.#total; at += 1) {
      const entry = this.#kept[at % KEPT_REQUESTS];
      if (entry) entries.push(entry);
    }
    return entries;
  }
}
