/** Every call about a user begins here: an unregistered one, or an id that nobody can have, is 404 user_unknown. */
import type { Database } from '../db/pool.ts';
import { forUser } from '../db/scope.ts';
import type { UserTx } from '../db/scope.ts';
import type { User } from '../db/users.ts';
import { getUser } from '../db/users.ts';
import { isUserId } from '../domain/user-id.ts';
import { ApiProblem } from './problem-codes.ts';

/** Runs `work` in the user's own scope. @throws ApiProblem user_unknown, user_erasing. */
export async function withUser<T>(
  db: Database,
  userId: string,
  work: (tx: UserTx, user: User) => Promise<T>,
): Promise<T> {
  if (!isUserId(userId)) throw new ApiProblem('user_unknown');
  return forUser(db, userId, async (tx) => {
    const user = await getUser(tx, userId);
    if (!user) throw new ApiProblem('user_unknown');
    if (user.isErasing) throw new ApiProblem('user_erasing');
    return work(tx, user);
  });
}

export async function requireUser(db: Database, userId: string): Promise<User> {
  return withUser(db, userId, async (_tx, user) => user);
}
