/** What an attempt to deliver starts from and what comes of it, the same for every channel. */
import type { Notice } from '../db/notices.ts';
import type { NoticeFacts } from './notice-facts.ts';

/** What came of an attempt, before anybody has decided about a further one. */
export type Attempt =
  | { readonly kind: 'delivered'; readonly httpStatus: number | null }
  | { readonly kind: 'skipped'; readonly why: string }
  | {
      readonly kind: 'failed';
      readonly httpStatus: number | null;
      readonly error: string;
      readonly retryAfterMs: number | null;
      /** Trying again cannot mend it. */
      readonly isFinal: boolean;
      /** Nothing was sent. */
      readonly isUntried?: boolean;
    };

export type Ready = { readonly notice: Notice; readonly facts: NoticeFacts };
