/**
 * What callbacks leave to be done when there is time for it: after a moment, not while a crowd of callbacks waits, and then a few at a
 * time. Held in this process only and lost with it: only what somebody else finds too, if later, may be left here.
 */

/** Until the runs that were told first have gone on, mostly: the flow need not tell them again. */
const DELAY_MS = 1_000;
const TICK_MS = 250;
/** Twenty-four a second: less than what keeps two cores busy, for runs go on beside it. */
const PER_TICK = 6;
/** Nobody's callbacks come in a crowd for so long. */
const LONGEST_MS = 5 * 60_000;
/** Beyond, it is done at once. */
const MOST_WAITING = 20_000;

/** What fails is tried again so often, each time behind what has come meanwhile. */
const MOST_TRIES = 5;

export type Chore = { readonly work: () => Promise<unknown>; readonly onError: (error: unknown) => void };

export type Later = {
  add(chore: Chore): void;
  readonly waiting: number;
  /** All that waits is done now. Resolves when it is, or after `withinMs`. */
  flush(withinMs: number): Promise<void>;
};

type Waiting = { readonly chore: Chore; readonly tries: number; readonly added: number };

/** @param isCalm whether nobody waits whose turn comes first. */
export function createLater({ isCalm }: { readonly isCalm: () => boolean }): Later {
  const queue: Waiting[] = [];
  const working = new Set<Promise<unknown>>();
  let timer: NodeJS.Timeout | null = null;
  let isEnding = false;

  const begin = ({ chore, tries }: Waiting): void => {
    const done = chore
      .work()
      .catch((error: unknown) => {
        chore.onError(error);
        if (tries < MOST_TRIES && !isEnding) put({ chore, tries: tries + 1, added: performance.now() });
      })
      .finally(() => working.delete(done));
    working.add(done);
  };
  const put = (waiting: Waiting): void => {
    queue.push(waiting);
    timer ??= setInterval(tick, TICK_MS).unref();
  };
  const tick = (): void => {
    const now = performance.now();
    for (let begun = 0; begun < PER_TICK; begun += 1) {
      const [first] = queue;
      if (!first || now - first.added < DELAY_MS) break;
      if (!isCalm() && now - first.added < LONGEST_MS) break;
      queue.shift();
      begin(first);
    }
    if (queue.length === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };

  return {
    get waiting() {
      return queue.length;
    },
    add(chore) {
      const first = { chore, tries: 1, added: performance.now() };
      if (queue.length >= MOST_WAITING) begin(first);
      else put(first);
    },
    async flush(withinMs) {
      isEnding = true;
      for (const waiting of queue.splice(0)) begin(waiting);
      if (working.size === 0) return;
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timeout = setTimeout(resolve, withinMs);
      await Promise.race([Promise.allSettled(working), late]);
      clearTimeout(timeout);
    },
  };
}
