/** Nobody acted as somebody else, and nobody's words reached another's model request: by the sandboxes' logs alone. */
import { findToken } from '../cast.ts';
import type { Record } from '../record.ts';
import type { Violation } from './violation.ts';

export function checkCrossUser({ effects, modelRequests }: Record): readonly Violation[] {
  const violations: Violation[] = [];
  const add = (what: string): void => void violations.push({ kind: 'cross-user', what });
  for (const { seq, slug, accountOwner, userId, arguments: args } of effects) {
    const author = findToken(JSON.stringify(args));
    if (author === null) add(`effect ${seq} (${slug}) carries no token: nobody's run asked for it`);
    else if (accountOwner !== author.user || userId !== author.user)
      add(
        `effect ${seq}: ${author.token} of ${author.user} acted as ${accountOwner} for ${userId} (${slug})`,
      );
  }
  for (const { seq, users } of modelRequests) {
    if (users.length > 1) add(`model request ${seq} held the canaries of ${users.join(', ')}`);
  }
  return violations;
}
