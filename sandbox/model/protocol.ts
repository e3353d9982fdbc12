/**
 * The shapes that travel between the model sandbox and the tests that steer it. Types only: nothing here runs, and nothing
 * of the product may import it.
 */

/** Faults that leave no room for an answer. */
export type TransportFault =
  | {
      readonly kind: 'status';
      readonly status: number;
      /** `Retry-After`, as it is sent: seconds or an HTTP date. */
      readonly retryAfter?: string;
      readonly retryAfterMs?: number;
      readonly code?: string;
    }
  /** Never answers; the client must give up. */
  | { readonly kind: 'hang' }
  /** Headers and a byte every `ms`, never an end. */
  | { readonly kind: 'trickle'; readonly ms: number }
  /** Closes the connection without an answer, or in the middle of one. */
  | { readonly kind: 'reset' | 'reset_mid_body' }
  /** Status 200 with a body that is no answer. */
  | { readonly kind: 'invalid_json' | 'html' | 'empty_body' }
  /** Whatever a test wants to see come over the wire. Status 200 and JSON where it does not say. */
  | { readonly kind: 'raw'; readonly body: string; readonly status?: number; readonly contentType?: string }
  /** A body of this size. */
  | { readonly kind: 'huge'; readonly bytes: number };

/** The right answer with one part of it odd. */
export type AnswerFault =
  | { readonly kind: 'empty_choices' | 'missing_message' | 'null_content' | 'missing_usage' }
  | { readonly kind: 'unknown_finish_reason' | 'length' | 'content_filter' }
  | { readonly kind: 'duplicate_ids' | 'unknown_call_type' | 'invalid_arguments' }
  /** The first call of the answer (or the first offered tool), `count` times at once. */
  | { readonly kind: 'parallel_calls'; readonly count: number };

/** What goes wrong with one answer. `latency`: the right one, late. */
export type Fault = TransportFault | AnswerFault | { readonly kind: 'latency'; readonly ms: number };

export type ScriptedAnswer = {
  readonly content?: string | null;
  readonly refusal?: string | null;
  /** `arguments` as an object, or as the raw text of the wire. `id` is made when not given. */
  readonly toolCalls?: readonly {
    readonly name: string;
    readonly arguments?: unknown;
    readonly id?: string;
  }[];
  readonly finishReason?: string;
  readonly usage?: { readonly inputTokens: number; readonly outputTokens: number } | null;
  /** Met by the first `times` requests for this answer (default: every one); later ones get the answer itself. */
  readonly fault?: Fault;
  readonly times?: number;
};

/**
 * Answers in order, chosen by the number of assistant turns since the newest user message that holds the marker, so that
 * a repeated request gets the same answer. After the last one: the last again with `repeatLast`, else a closing sentence.
 */
export type Script = {
  readonly answers: readonly ScriptedAnswer[];
  readonly repeatLast?: boolean;
};
export type MarkedScript = Script & { readonly marker: string };

/** A fault for requests whose conversation holds `marker` (all requests without one), the first `times` of them. */
export type FaultRule = { readonly marker?: string; readonly fault: Fault; readonly times?: number };

export type LoggedRequest = {
  readonly seq: number;
  /** RFC 3339. */
  readonly at: string;
  readonly method: string;
  readonly path: string;
  /** Header names and values, `authorization` without its key. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body as it was parsed; null when it was no JSON. */
  readonly body: unknown;
  /** How it was answered: an HTTP status, or a fault that sends none; null while it is open. */
  readonly outcome: number | 'hang' | 'reset' | 'aborted_by_client' | null;
};
