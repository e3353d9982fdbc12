/** The open flow behind a connect link, or the one answer that all links get that lead nowhere. */
import type { Flow } from '../../db/flows.ts';
import { getFlowByToken } from '../../db/flows.ts';
import type { Database } from '../../db/pool.ts';
import { asSystem } from '../../db/scope.ts';
import { ApiProblem } from '../problem-codes.ts';

/** @throws ApiProblem, which a browser sees as the page that is the same for unknown, used and expired links. */
export async function findOpenFlow(db: Database, token: string): Promise<Flow> {
  // Tokens are 43 characters of base64url; anything else is not worth a query.
  const flow = /^[\w-]{43}$/.test(token) ? await asSystem(db, (tx) => getFlowByToken(tx, token)) : null;
  if (!flow || flow.status !== 'open' || flow.isOver) throw new ApiProblem('not_found');
  return flow;
}
