/** Faults park runs, they fail none. A limit or a refusal may end one; nothing here is planned to reach any. */
import type { Record } from '../record.ts';
import type { Violation } from './violation.ts';

export function checkFailedRuns({ runs }: Record): readonly Violation[] {
  return runs
    .filter(({ status }) => status === 'failed')
    .map(({ id, error, message }) => ({
      kind: 'failed run',
      what: `run ${id} failed: ${error} (${message})`,
    }));
}
