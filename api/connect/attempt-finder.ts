/**
 * Attempts by the ids that callbacks name. Those that are asked for while a statement is under way are one statement
 * together, and in a crowd all who come within some milliseconds: of thousands that come back in one moment, most are looked up at no
 * cost, and a stranger's are refused by it.
 */
import { type FoundAttempt, findAttempts } from '../../db/find-attempts.ts';
import type { Database } from '../../db/pool.ts';
import { asSystemOnce } from '../../db/scope.ts';

export type FindAttempt = (attemptId: string) => Promise<FoundAttempt | null>;

/** Statements at once; two, so that one that is slow does not stop all. */
const AT_ONCE = 2;
/** Of one statement: it is some 2 kB a row. */
const MOST_TOGETHER = 500;

/** So many within so long are a crowd, which comes a few at a time: each statement would be for three or four of them. */
const CROWD = 32;
const CROWD_MS = 100;
/** It is one for this long: those who came in one moment keep this process from hearing of the next ones meanwhile. */
const CROWD_LASTS_MS = 500;
/** Then there is one statement in this time: nobody's answer is late by it, and sending it costs more than all that is asked with it. */
const GATHER_MS = 50;

type Waiter = {
  readonly attemptId: string;
  readonly settle: (found: FoundAttempt | null) => void;
  readonly fail: (error: unknown) => void;
};

type Find = (attemptIds: readonly string[]) => Promise<ReadonlyMap<string, FoundAttempt>>;

export function createAttemptFinder(
  db: Database,
  find: Find = (attemptIds) => asSystemOnce(db, findAttempts(attemptIds)),
): FindAttempt {
  const waiting: Waiter[] = [];
  const crowd = createCrowdCount();
  let asking = 0;
  let asked = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | null = null;

  async function pump(): Promise<void> {
    // Those who come in the same moment are one statement.
    await Promise.resolve();
    while (asking < AT_ONCE && waiting.length > 0 && timer === null) {
      const now = performance.now();
      const early = asked + GATHER_MS - now;
      if (early > 0 && waiting.length < MOST_TOGETHER && crowd.isOn()) {
        timer = setTimeout(() => {
          timer = null;
          void pump();
        }, early);
        return;
      }
      asked = now;
      const batch = waiting.splice(0, MOST_TOGETHER);
      asking += 1;
      void answer(find, batch).finally(() => {
        asking -= 1;
        void pump();
      });
    }
  }

  return (attemptId) =>
    new Promise((resolve, reject) => {
      crowd.add();
      waiting.push({ attemptId, settle: resolve, fail: reject });
      void pump();
    });
}

/** Whether so many have come in one stretch of time, a moment ago. */
function createCrowdCount(): { add(): void; isOn(): boolean } {
  let began = 0;
  let count = 0;
  let seen = Number.NEGATIVE_INFINITY;
  return {
    add() {
      const now = performance.now();
      if (now - began >= CROWD_MS) {
        began = now;
        count = 0;
      }
      count += 1;
      if (count >= CROWD) seen = now;
    },
    isOn: () => performance.now() - seen < CROWD_LASTS_MS,
  };
}

/** Never rejects: each waiter hears it. */
async function answer(find: Find, batch: readonly Waiter[]): Promise<void> {
  try {
    const ids = [...new Set(batch.map(({ attemptId }) => attemptId))];
    const found = await find(ids);
    for (const { attemptId, settle } of batch) settle(found.get(attemptId) ?? null);
  } catch (error) {
    for (const { fail } of batch) fail(error);
  }
}
