/**
 * Callbacks in their turn. Thousands of browsers may come back in one moment; each needs a few statements, a read from
 * Composio and a signal. So many are worked at a time, the others stand in a queue, and who would stand there too long is
 * answered early while the work stays in the queue. While a crowd is still coming in (rush.ts) no work begins: answers first;
 * then as much of it as what was begun leaves room for (pace.ts). Nothing is lost with this process: the early page comes again by itself.
 */
import type { Pace } from './pace.ts';
import { createRush } from './rush.ts';

/** More would wait for connections of the database's pool, and read-backs of that many are one request to Composio. */
const AT_ONCE = 64;
/** The whole answer should be there within 2 s: who has not been let in after this long is answered early, and in a crowd who was, too. */
const PATIENCE_MS = 1_000;
/** For who was let in: a read-back may take 2 s by itself, and its own page is the better answer. */
const WHOLE_PATIENCE_MS = 4_000;
/** A queue that is this long is longer than the patience: then the answer is early at once, which costs nothing. */
const LONG_QUEUE = 64;
/** Some 2 kB each. Beyond, a browser is only asked to come again. */
const MOST_WAITING = 20_000;

/** `early`: the work will be done. `full`: it will not, and somebody must ask again. */
export type Passed<T> =
  { readonly kind: 'done'; readonly value: T } | { readonly kind: 'early' | 'full'; readonly ahead: number };

export type Turnstile = {
  /** Somebody has come and is looked at. To be called when that is over, and `pass` was. */
  arrive(): () => void;
  /**
   * Errors of work that was answered early already go to `onLateError`.
   *
   * @param since when it came, by `performance.now()`: patience is counted from there.
   */
  pass<T>(name: string, work: () => Promise<T>, since?: number): Promise<Passed<T>>;
  /** Resolves when no crowd is coming in: what costs the machine more than an answer waits for the answers. At once without one. */
  calm(): Promise<void>;
  /** Whether work of this name waits or is being done. */
  holds(name: string): boolean;
  /** How many wait. */
  readonly waiting: number;
  /** Resolves when nothing waits and nothing is being done, or after `withinMs`. */
  drained(withinMs: number): Promise<void>;
};

export function createTurnstile({
  onLateError,
  paceOf = () => ({ hasRoom: () => true, took: () => undefined }),
}: {
  onLateError: (error: unknown) => void;
  /** Without it, work begins as soon as one of so many is over. */
  paceOf?: (turnstile: { working: () => number; onRoom: () => void }) => Pace;
}): Turnstile {
  const queue: (() => void)[] = [];
  const names = new Map<string, number>();
  const idle: (() => void)[] = [];
  const afterRush: (() => void)[] = [];
  const rush = createRush({
    crowd: LONG_QUEUE,
    onOver: () => {
      for (const tell of afterRush.splice(0)) tell();
      next();
    },
  });
  const pace = paceOf({ working: () => working, onRoom: () => next() });
  let working = 0;

  const next = (): void => {
    while (working < AT_ONCE && !rush.isOn() && pace.hasRoom()) {
      const start = queue.shift();
      if (!start) break;
      working += 1;
      pace.took();
      start();
    }
    if (working === 0 && queue.length === 0) for (const tell of idle.splice(0)) tell();
  };

  return {
    get waiting() {
      return queue.length;
    },
    arrive() {
      rush.move(1);
      return () => rush.move(-1);
    },
    async calm() {
      if (rush.isOn()) await new Promise<void>((resolve) => afterRush.push(resolve));
    },
    holds: (name) => names.has(name),
    async pass(name, work, since = performance.now()) {
      const ahead = queue.length;
      if (ahead >= MOST_WAITING) return { kind: 'full', ahead };
      names.set(name, (names.get(name) ?? 0) + 1);
      const { promise: admitted, resolve: admit } = Promise.withResolvers<void>();
      queue.push(admit);
      const done = admitted.then(work).finally(() => {
        working -= 1;
        const left = (names.get(name) ?? 1) - 1;
        if (left > 0) names.set(name, left);
        else names.delete(name);
        next();
      });
      next();
      const early = { kind: 'early', ahead } as const;
      const result = done.then((value) => ({ kind: 'done', value }) as const);
      const answered =
        ahead >= LONG_QUEUE
          ? early
          : await inTime(result, { begun: admitted, isCrowded: () => rush.isOn(), early, since });
      if (answered.kind === 'early') result.catch(onLateError);
      return answered;
    },
    async drained(withinMs) {
      if (working === 0 && queue.length === 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        idle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}

/** The result, or `early`: when it has not begun in time, or a crowd has come over it, or it has not ended in time. */
async function inTime<T, E>(
  result: Promise<T>,
  {
    begun,
    isCrowded,
    early,
    since,
  }: { begun: Promise<void>; isCrowded: () => boolean; early: E; since: number },
): Promise<T | E> {
  const { promise: late, resolve } = Promise.withResolvers<E>();
  let hasBegun = false;
  void begun.then(() => (hasBegun = true));
  const past = performance.now() - since;
  const whole = setTimeout(resolve, Math.max(0, WHOLE_PATIENCE_MS - past), early);
  const beginning = setTimeout(
    () => {
      if (!hasBegun || isCrowded()) resolve(early);
    },
    Math.max(0, PATIENCE_MS - past),
  );
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(whole);
    clearTimeout(beginning);
  }
}
