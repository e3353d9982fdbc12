/** An API that nobody could ever make a key for is refused at its start, with what to do. */
import type { Logger } from 'pino';
import { ConfigError } from '../config/config-error.ts';
import { hasAdminKey } from '../db/api-keys.ts';
import type { Database } from '../db/pool.ts';
import { asSystem } from '../db/scope.ts';

/** @throws ConfigError when the bootstrap key is off and no stored key has the scope `admin`. */
export async function requireAdminKey(db: Database, logger: Logger): Promise<void> {
  const isThere = await asSystem(db, hasAdminKey).catch((err: unknown) => {
    // The API starts without its database as it does with it: what needs it is 503 until it answers.
    logger.warn({ err }, 'whether there is a stored admin key is not known yet');
    return true;
  });
  if (!isThere)
    throw new ConfigError([
      'BELLHOP_API_KEY is not set; the api process needs it until there is a stored key with the scope admin',
    ]);
}
