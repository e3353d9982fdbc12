/** The ledger under any history of workers, frozen workers, approvers and resolvers, against a model of a few lines. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ToolCallOutcome } from '../../db/ledger.ts';
import {
  denyToolCall,
  getToolCall,
  releaseToolCall,
  settleToolCall,
  startToolCall,
} from '../../db/ledger.ts';
import { resolveToolCall } from '../../db/resolutions.ts';
import { type UserTx, forUserOnce } from '../../db/scope.ts';
import type { ToolCallStatus } from '../../domain/statuses.ts';
import { TOOL_CALL_TRANSITIONS } from '../../domain/statuses.ts';
import { runs } from '../setup/property-runs.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();

const OUTCOMES: Readonly<Record<'done' | 'failed' | 'unknown', ToolCallOutcome>> = {
  done: { status: 'done', result: { by: 'worker' }, logId: 'log_1' },
  failed: { status: 'failed', error: 'no' },
  unknown: { status: 'unknown', error: 'lost' },
};
/** `behind`: by a worker that knows an older attempt only. */
type Move =
  | { readonly do: 'start' | 'done' | 'failed' | 'unknown' | 'pending' | 'waiting'; readonly behind: 0 | 1 }
  | { readonly do: 'resolve_done' | 'resolve_not_done' | 'deny' };
type Model = { status: ToolCallStatus; attempts: number; resolvedBy: 'done' | 'not_done' | null };

function expected(model: Model, move: Move): { works: boolean; next: Model } {
  const stays = { works: false, next: model };
  if (move.do === 'resolve_done' || move.do === 'resolve_not_done') {
    if (model.status !== 'unknown') return stays;
    const resolvedBy = move.do === 'resolve_done' ? 'done' : 'not_done';
    return { works: true, next: { ...model, status: resolvedBy === 'done' ? 'done' : 'failed', resolvedBy } };
  }
  // A worker's word never leads out of unknown; a person's never into a call that has begun.
  const to = move.do === 'start' ? 'started' : move.do === 'deny' ? 'denied' : move.do;
  if (model.status === 'unknown' || !TOOL_CALL_TRANSITIONS[model.status].includes(to)) return stays;
  if ('behind' in move && move.behind > 0) return stays;
  return {
    works: true,
    next: { ...model, status: to, attempts: model.attempts + (move.do === 'start' ? 1 : 0) },
  };
}

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    do: fc.constantFrom(
      'start' as const,
      'start' as const,
      'unknown' as const,
      'unknown' as const,
      'done' as const,
      'failed' as const,
      'pending' as const,
      'waiting' as const,
    ),
    behind: fc.constantFrom(0 as const, 0 as const, 0 as const, 1 as const),
  }),
  fc.record({ do: fc.constantFrom('resolve_done' as const, 'resolve_not_done' as const, 'deny' as const) }),
);

test('a call ends where the model says: an unknown one only by the first resolution, an ended one is never sent again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 14 }), async (history) => {
      const userId = await the().newUser();
      const key = await the().newCall(userId, true);
      const inUser = <T>(work: (tx: UserTx) => Promise<T>): Promise<T> => the().user(userId, work);
      let model: Model = { status: 'pending', attempts: 0, resolvedBy: null };
      let sentAfterItsEnd = 0;
      for (const step of history) {
        const attempt = model.attempts - ('behind' in step ? step.behind : 0);
        const works = await (async (): Promise<boolean> => {
          switch (step.do) {
            case 'start': {
              const start = {
                ...key,
                expectedAttempts: attempt,
                accountId: 'ca_1',
                digest: 'd',
                timeoutMs: 1_000,
                needsApproval: false,
              };
              return (await forUserOnce(the().db, userId, startToolCall(start))) !== null;
            }
            case 'pending':
              return inUser((tx) => releaseToolCall(tx, { ...key, attempt }, 'pending'));
            case 'waiting':
              return inUser((tx) => releaseToolCall(tx, { ...key, attempt }, 'waiting'));
            case 'deny':
              return inUser((tx) => denyToolCall(tx, key, 'no'));
            case 'resolve_done':
            case 'resolve_not_done': {
              const outcome = step.do === 'resolve_done' ? ('done' as const) : ('not_done' as const);
              return inUser((tx) =>
                resolveToolCall(tx, key, { outcome, result: { by: 'person' }, resolver: 'dana' }),
              );
            }
            case 'done':
            case 'failed':
            case 'unknown':
              return forUserOnce(the().db, userId, settleToolCall({ ...key, attempt }, OUTCOMES[step.do]));
          }
        })();
        const { works: should, next } = expected(model, step);
        expect([step, model.status, works]).toEqual([step, model.status, should]);
        if (step.do === 'start' && works && ['done', 'failed', 'denied', 'unknown'].includes(model.status))
          sentAfterItsEnd += 1;
        model = next;
      }
      const call = await inUser((tx) => getToolCall(tx, key));
      expect([call?.status, call?.attempts]).toEqual([model.status, model.attempts]);
      expect(sentAfterItsEnd).toBe(0);
      // Whose word the result is: a late worker's never replaces a person's.
      if (model.resolvedBy !== null) expect(call?.result).toEqual({ by: 'person' });
    }),
    runs(60),
  );
});
