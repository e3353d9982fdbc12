import { describe, expect, test } from 'vitest';
import {
  CONNECTION_STATUSES,
  ENDED_RUN_STATUSES,
  RUN_STATUSES,
  TOOL_CALL_STATUSES,
  TOOL_CALL_TRANSITIONS,
  isBrokenStatus,
  isEndedRunStatus,
} from '../../domain/statuses.ts';

describe('statuses', () => {
  test('EXPIRED, FAILED, INACTIVE and REVOKED have stopped working, the others have not', () => {
    expect(CONNECTION_STATUSES.filter(isBrokenStatus)).toEqual(['EXPIRED', 'FAILED', 'INACTIVE', 'REVOKED']);
  });
  test('three statuses end a run', () => {
    expect(RUN_STATUSES.filter(isEndedRunStatus)).toEqual([...ENDED_RUN_STATUSES]);
  });
});

describe('the ledger’s transitions', () => {
  test('name every status, and lead only to statuses', () => {
    expect(Object.keys(TOOL_CALL_TRANSITIONS).sort()).toEqual([...TOOL_CALL_STATUSES].sort());
    for (const to of Object.values(TOOL_CALL_TRANSITIONS).flat()) expect(TOOL_CALL_STATUSES).toContain(to);
  });
  test('never leave done, failed or denied, and never lead back from unknown to a send', () => {
    expect([TOOL_CALL_TRANSITIONS.done, TOOL_CALL_TRANSITIONS.failed, TOOL_CALL_TRANSITIONS.denied]).toEqual([
      [],
      [],
      [],
    ]);
    expect(TOOL_CALL_TRANSITIONS.unknown).toEqual(['done', 'failed']);
  });
  test('reach done and unknown only by a call that was started, or by a person', () => {
    for (const status of TOOL_CALL_STATUSES) {
      const leadsTo = TOOL_CALL_TRANSITIONS[status];
      if (leadsTo.includes('unknown')) expect(status).toBe('started');
      if (leadsTo.includes('done')) expect(['started', 'unknown']).toContain(status);
    }
  });
});
