/** The ledger says of each write what the journal says: done means once, failed means never, and doubt is called unknown. */
import type { CallRow } from '../evidence.ts';
import { findToken } from '../cast.ts';
import { type Record, groupBy } from '../record.ts';
import type { Violation } from './violation.ts';

export function checkOutcomes({ effects, calls }: Record): readonly Violation[] {
  const writes = effects.filter((effect) => !effect.readOnly);
  const done = groupBy(writes, (effect) => findToken(JSON.stringify(effect.arguments))?.token ?? null);
  const rows = groupBy(calls, (call) => call.token);
  const violations: Violation[] = [];
  const add = (what: string): void => void violations.push({ kind: 'wrong outcome', what });
  for (const [token, same] of done) {
    if (!rows.has(token))
      add(`${token} happened ${same.length} times and no call of the ledger speaks of it`);
  }
  for (const call of calls) {
    const times = done.get(call.token ?? '')?.length ?? 0;
    if (call.isWrite && !fits(call, times))
      add(`${call.token} (${call.tool}, run ${call.runId}) is ${call.status} and happened ${times} times`);
  }
  return violations;
}

function fits({ status }: CallRow, times: number): boolean {
  if (status === 'done') return times === 1;
  if (status === 'unknown') return times <= 1;
  // Never sent, refused, or provably without effect. What is still open is for the check of what was lost.
  return times === 0;
}
