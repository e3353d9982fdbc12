/**
 * Attempts by the ids that callbacks name. Those that are asked for while a statement is under way are one statement
 * together: of thousands that come back in one moment, most are looked up at no cost, and a stranger's are refused by it.
 */
import { type FoundAttempt, findAttempts } from '../../db/find-attempts.ts';
import type { Database } from '../../db/pool.ts';
import { asSystemOnce } from '../../db/scope.ts';

export type FindAttempt = (attemptId: string) => Promise<FoundAttempt | null>;

/** Statements at once; two, so that one that is slow does not stop all. */
const AT_ONCE = 2;
/** Of one statement: it is some 2 kB a row. */
const MOST_TOGETHER = 500;

type Waiter = {
  readonly attemptId: string;
  readonly settle: (found: FoundAttempt | null) => void;
  readonly fail: (error: unknown) => void;
};

export function createAttemptFinder(db: Database): FindAttempt {
  const waiting: Waiter[] = [];
  let asking = 0;

  async function pump(): Promise<void> {
    // Those who come in the same moment are one statement.
    await Promise.resolve();
    while (asking < AT_ONCE && waiting.length > 0) {
      const batch = waiting.splice(0, MOST_TOGETHER);
      asking += 1;
      void answer(db, batch).finally(() => {
        asking -= 1;
        void pump();
      });
    }
  }

  return (attemptId) =>
    new Promise((resolve, reject) => {
      waiting.push({ attemptId, settle: resolve, fail: reject });
      void pump();
    });
}

/** Never rejects: each waiter hears it. */
async function answer(db: Database, batch: readonly Waiter[]): Promise<void> {
  try {
    const ids = [...new Set(batch.map(({ attemptId }) => attemptId))];
    const found = await asSystemOnce(db, findAttempts(ids));
    for (const { attemptId, settle } of batch) settle(found.get(attemptId) ?? null);
  } catch (error) {
    for (const { fail } of batch) fail(error);
  }
}
