/** The faults a test can order, as data. `afterEffect` faults do what was asked, then spoil the answer. */

export type FaultAction =
  /** Answers late: a fixed time, or one drawn from a range by a seeded generator. */
  | { readonly type: 'latency'; readonly ms: number; readonly afterEffect?: boolean }
  | {
      readonly type: 'latency';
      readonly minMs: number;
      readonly maxMs: number;
      readonly seed?: number;
      readonly afterEffect?: boolean;
    }
  /** Answers this status. With `afterEffect`: commit-then-500. */
  | {
      readonly type: 'status';
      readonly status: number;
      /** An object is sent as JSON, a string as it is; default an error in Composio's envelope. */
      readonly body?: unknown;
      readonly retryAfter?: number | string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly afterEffect?: boolean;
    }
  /** Never answers. */
  | { readonly type: 'hang'; readonly afterEffect?: boolean }
  /** Cuts the connection. With `afterEffect`: commit-then-drop. */
  | { readonly type: 'reset'; readonly afterEffect?: boolean }
  /** Waits at a named gate until it is released. */
  | { readonly type: 'hold'; readonly barrier: string; readonly afterEffect?: boolean }
  /** Does it, then answers 200 with something that is not the JSON it should be. */
  | {
      readonly type: 'malformed';
      readonly how: 'truncated' | 'invalid_json' | 'html' | 'empty' | 'wrong_shape';
    }
  /** Does it, then sends the answer this slowly. */
  | { readonly type: 'trickle'; readonly bytesPerSecond: number }
  /** Does it, then answers with this many bytes of valid JSON. */
  | { readonly type: 'huge'; readonly bytes: number }
  /** Does it, then answers with a small compressed body that unpacks to this many bytes. */
  | { readonly type: 'gzip_bomb'; readonly bytes: number }
  /** Execute only: HTTP 200 with `successful: false`. With `afterEffect` the provider did it nevertheless. */
  | {
      readonly type: 'unsuccessful';
      readonly error: string;
      readonly data?: unknown;
      readonly afterEffect?: boolean;
    }
  | { readonly type: 'redirect'; readonly location: string; readonly status?: 301 | 302 | 303 | 307 | 308 };

/** All that are given must fit. */
export type FaultMatch = {
  readonly method?: string;
  /** Compared without `/api/v3` or `/api/v3.1`, e.g. `/connected_accounts`. */
  readonly pathPrefix?: string;
  /** A route's name, e.g. `tools.execute`; see routes/route-table.ts. */
  readonly route?: string;
  readonly slug?: string;
  /** Any user the request names: `user_id`, one of `user_ids`, or the owner of the account in the path. */
  readonly userId?: string;
};

export type NewFault = {
  readonly match?: FaultMatch;
  readonly action: FaultAction;
  /** How many requests it applies to; absent: all. */
  readonly times?: number;
  /** Lets this many matching requests pass first. */
  readonly skip?: number;
  /** Applies to this share of the matching requests, drawn by `seed`. */
  readonly probability?: number;
  readonly seed?: number;
};

export type FaultRule = NewFault & {
  readonly id: string;
  readonly matched: number;
  readonly applied: number;
};

export type RequestFacts = {
  readonly method: string;
  readonly path: string;
  readonly route: string | null;
  readonly slug: string | null;
  readonly userIds: readonly string[];
};
