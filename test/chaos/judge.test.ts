/** The checker itself, on records made by hand: each kind of violation is found, and a clean record is clean. */
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../chaos/entry.ts';
import { judge } from '../../chaos/judge.ts';
import type { Record } from '../../chaos/record.ts';
import { formatReport } from '../../chaos/report.ts';
import {
  T0,
  TOKEN,
  USER,
  arrival,
  call,
  cleanRecord,
  effect,
  episode,
  notice,
  run,
  startedAs,
} from './record.ts';

const found = (change: Partial<Record>): readonly string[] =>
  judge(cleanRecord(change)).violations.map(({ kind, what }) => `${kind}: ${what}`);
const only = (change: Partial<Record>): string => {
  const violations = found(change);
  expect(violations, violations.join('\n')).toHaveLength(1);
  return violations[0] ?? '';
};

test('a clean record has no violation, and its report says so', () => {
  const judgement = judge(cleanRecord());
  expect(judgement.violations).toEqual([]);
  expect(judgement.effects).toEqual({ writes: 1, reads: 0 });
  expect(formatReport(judgement)).toContain('Nothing was found.');
});

describe('duplicates', () => {
  test('a write that happened twice is one, and the ledger’s done is a lie', () => {
    expect(found({ effects: [effect(), effect({ seq: 2 })] })).toEqual([
      expect.stringMatching(/^duplicate: tk-0-1-1-z .* happened 2 times/),
      expect.stringMatching(/^wrong outcome: .* is done and happened 2 times/),
    ]);
  });
  test('a read that was repeated is none', () => {
    const read = effect({ readOnly: true, slug: 'GMAIL_FETCH_EMAILS', arguments: { query: 'tk-0-1-2-z' } });
    expect(found({ effects: [effect(), read, { ...read, seq: 3 }] })).toEqual([]);
  });
});

describe('cross-user', () => {
  test.each([
    ['the account’s owner is another user', { accountOwner: 'user-0001' }],
    ['Composio was told another user', { userId: 'user-0001' }],
    ['both are another user', { accountOwner: 'user-0001', userId: 'user-0001' }],
  ])('%s', (_, change) => {
    expect(only({ effects: [effect(change)] })).toMatch(
      /^cross-user: effect 1: tk-0-1-1-z of user-0000 acted as/,
    );
  });
  test('an effect that no run asked for', () => {
    expect(found({ effects: [effect(), effect({ seq: 2, arguments: {} })] })).toEqual([
      expect.stringMatching(/^cross-user: effect 2 .* carries no token/),
    ]);
  });
  test('a model request with two users’ canaries', () => {
    const request = { at: '', seq: 7, users: [USER, 'user-0001'] };
    expect(only({ modelRequests: [request] })).toMatch(/^cross-user: model request 7 held the canaries of/);
  });
});

describe('lost', () => {
  test('a run that was accepted and has no row', () => {
    expect(found({ entries: [startedAs('r1'), startedAs('r2'), ...cleanRecord().entries.slice(1)] })).toEqual(
      [
        'lost: run r2 was accepted and has no row',
        expect.stringMatching(/^lost: key key-1 was answered with 2 runs/),
      ],
    );
  });
  test.each(['running', 'waiting_for_connection'])('a run that is %s at the end', (status) => {
    const change = { runs: [run({ status })], notices: [], arrivals: [] };
    expect(only(change)).toBe(`lost: run r1 was accepted and is ${status} at the end`);
  });
  test('a run that nobody was told of, and that is open at the end', () => {
    const rows = [run(), run({ id: 'r2', key: 'key-2', status: 'running' })];
    const workflows = ['run-r1', 'run-r2'].map((workflowId) => ({
      workflowId,
      type: 'agentRun',
      status: 'COMPLETED',
    }));
    expect(only({ runs: rows, workflows })).toMatch(/^lost: run r2, whose start was never answered/);
  });
  test('two runs of one idempotency key', () => {
    const rows = [run(), run({ id: 'r2', status: 'cancelled' })];
    expect(only({ runs: rows })).toMatch(/^lost: key key-1 made 2 runs: r1, r2/);
  });
  test('a row without a workflow, unless the run was cancelled before it began', () => {
    expect(only({ workflows: [] })).toBe('lost: run r1 (completed) has no workflow');
    const cancelled = { runs: [run({ status: 'cancelled' })], notices: [], arrivals: [] };
    expect(found({ ...cancelled, workflows: [] })).toEqual([]);
  });
  test('a workflow without a row', () => {
    const stray = { workflowId: 'run-r9', type: 'agentRun', status: 'COMPLETED' };
    expect(only({ workflows: [...cleanRecord().workflows, stray] })).toBe('lost: workflow run-r9 has no row');
  });
  test.each(['RUNNING', 'FAILED', 'TERMINATED'])('a workflow that is %s', (status) => {
    const workflows = [{ workflowId: 'run-r1', type: 'agentRun', status }];
    expect(only({ workflows })).toBe(`lost: workflow run-r1 is ${status}, its run completed`);
  });
  test('a thread that an ended run still locks', () => {
    expect(only({ runs: [run({ isLocking: true })] })).toMatch(
      /^lost: run r1 has ended and still locks its thread/,
    );
  });
  test('a call that an ended run left open', () => {
    const open = call({ id: 'c2', token: 'tk-0-1-2-z', status: 'started' });
    expect(only({ calls: [call(), open] })).toMatch(/^lost: call c2 of the ended run r1 is started/);
  });
});

describe('outcomes', () => {
  test('done that never happened', () => {
    expect(only({ effects: [] })).toMatch(/^wrong outcome: tk-0-1-1-z .* is done and happened 0 times/);
  });
  test.each(['failed', 'denied', 'pending'])('%s that happened', (status) => {
    expect(found({ calls: [call({ status })] })).toContainEqual(
      expect.stringMatching(new RegExp(`^wrong outcome: tk-0-1-1-z .* is ${status} and happened 1 times`)),
    );
  });
  test('unknown may have happened or not, once', () => {
    expect(found({ calls: [call({ status: 'unknown' })] })).toEqual([]);
    expect(found({ calls: [call({ status: 'unknown' })], effects: [] })).toEqual([]);
    expect(
      found({ calls: [call({ status: 'unknown' })], effects: [effect(), effect({ seq: 2 })] }),
    ).toHaveLength(2);
  });
  test('an effect that the ledger does not know', () => {
    expect(only({ calls: [] })).toMatch(/^wrong outcome: tk-0-1-1-z happened 1 times and no call/);
  });
  test('a run that failed, for faults park runs', () => {
    const change = {
      runs: [run({ status: 'failed', error: 'internal', message: 'why' })],
      notices: [notice({ type: 'run.failed' })],
      arrivals: [arrival({ type: 'run.failed' })],
    };
    expect(only(change)).toBe('failed run: run r1 failed: internal (why)');
  });
});

describe('notices', () => {
  const breaking = (at: number, phase: 'invoke' | 'ok' = 'invoke'): Entry => ({
    at,
    is: 'op',
    op: 'break',
    phase,
    user: USER,
    app: 'slack',
    how: 'EXPIRED',
    accounts: ['ca_0'],
  });
  const waiting: Entry = {
    at: T0 + 700,
    is: 'op',
    op: 'saw-waiting',
    phase: 'ok',
    user: USER,
    runId: 'r1',
    broken: ['slack'],
  };
  const told = {
    episodes: [episode()],
    notices: [
      notice(),
      notice({ id: 'n2', type: 'connection.expired', app: 'slack', runId: null, key: 'episode:e1' }),
    ],
    arrivals: [arrival(), arrival({ id: 'n2', type: 'connection.expired', app: 'slack', runId: null })],
  };
  const entries = [
    startedAs('r1'),
    breaking(T0 + 500),
    breaking(T0 + 501, 'ok'),
    waiting,
    ...cleanRecord().entries.slice(1),
  ];

  test('a break that was seen and told once is right, also when it arrives twice', () => {
    expect(found({ ...told, entries })).toEqual([]);
    expect(found({ ...told, entries, arrivals: [...told.arrivals, ...told.arrivals] })).toEqual([]);
  });
  test('a break that a run met and nobody was told of', () => {
    expect(only({ entries })).toBe('notice: run r1 waited for user-0000/slack, and nobody was told');
  });
  test('a notice that counts as delivered and never came', () => {
    expect(found({ arrivals: [] })).toEqual([
      expect.stringMatching(/^notice: notice n1 .* counts as delivered and never came/),
      'notice: nobody was told that run r1 is completed',
    ]);
  });
  test('an arrival that was refused does not count', () => {
    expect(found({ arrivals: [arrival({ answered: 500 })] })).toHaveLength(2);
  });
  test('a notice that the product does not know, and one with a wrong signature', () => {
    expect(only({ arrivals: [arrival(), arrival({ id: 'n9' })] })).toMatch(
      /^notice: notice n9 .* does not know it/,
    );
    expect(only({ arrivals: [arrival(), arrival({ id: 'n9', type: 'unverified' })] })).toMatch(/signature/);
  });
  test('a break that was over before it could be told need not be told, one that lasts must', () => {
    const skipped = {
      entries,
      notices: told.notices.map((row) => (row.id === 'n2' ? { ...row, delivery: 'skipped' } : row)),
      arrivals: [arrival()],
    };
    expect(found({ ...skipped, episodes: [episode()] })).toEqual([]);
    expect(only({ ...skipped, episodes: [episode({ closedAt: null })] })).toMatch(/and nobody was told$/);
    expect(found({ notices: [notice({ delivery: 'skipped' })], arrivals: [] })[0]).toMatch(/was set aside$/);
  });
  test('one break told twice', () => {
    const twice = {
      entries,
      episodes: [episode(), episode({ id: 'e2' })],
      notices: [
        ...told.notices,
        notice({ id: 'n3', type: 'connection.expired', app: 'slack', runId: null, key: 'episode:e2' }),
      ],
      arrivals: [
        ...told.arrivals,
        arrival({ id: 'n3', type: 'connection.expired', app: 'slack', runId: null }),
      ],
    };
    expect(only(twice)).toBe('notice: user-0000/slack broke 1 times, and 2 episodes were opened');
    // The account that was connected instead is deleted, and the one that broke is still there: it has stopped working again.
    const deleted = { ...breaking(T0 + 1_000), how: 'deleted', accounts: ['ca_1'] } as Entry;
    expect(found({ ...twice, entries: [...entries, deleted] })).toEqual([]);
    // Nothing is left behind by an account that is itself deleted.
    const itself = { ...breaking(T0 + 1_000), how: 'deleted' } as Entry;
    expect(only({ ...twice, entries: [...entries, itself] })).toMatch(
      /^notice: user-0000\/slack broke 1 times/,
    );
  });
  test('an end that nobody is told, and one that is told twice', () => {
    expect(only({ notices: [], arrivals: [] })).toMatch(
      /^notice: run r1 is completed and has 0 notices of its end/,
    );
    const two = [notice(), notice({ id: 'n2' })];
    expect(only({ notices: two, arrivals: [arrival(), arrival({ id: 'n2' })] })).toMatch(
      /has 2 notices of its end/,
    );
  });
  test('a notice that is pending is still to come, until it is overdue', () => {
    const pending = { notices: [notice({ delivery: 'pending' })], arrivals: [] };
    expect(found(pending)).toEqual([]);
    expect(judge(cleanRecord(pending)).notices.pending).toBe(1);
    const late: Entry = { at: T0 + 20 * 60_000, is: 'stage', what: 'not-settled' };
    expect(only({ ...pending, entries: [...cleanRecord().entries, late] })).toMatch(/is overdue$/);
  });
  test('what is broken at the end and was told to nobody, although an audit passed', () => {
    const accounts = cleanRecord().accounts.map((account) => ({ ...account, status: 'EXPIRED' }));
    const unseen = [startedAs('r1'), breaking(T0 + 500), ...cleanRecord().entries.slice(1)];
    expect(only({ accounts, entries: unseen })).toBe(
      'notice: user-0000/slack is broken at the end, and nobody was told',
    );
  });
  test('a record without an audit is not clean', () => {
    expect(only({ entries: [startedAs('r1')] })).toBe('notice: no audit passed after the last fault');
  });
});

describe('unknown', () => {
  const unknown = call({ status: 'unknown', error: 'The worker was lost while this call was on its way.' });
  const exit: Entry = { at: T0 + 1_000, is: 'process', part: 'worker-1', what: 'exit', pid: 7 };

  test('is explained by a fault that can cause it and met it', () => {
    const { unknown: judged } = judge(
      cleanRecord({ calls: [unknown], entries: [...cleanRecord().entries, exit] }),
    );
    expect(judged).toEqual({ happened: 1, explained: { 'worker ended': 1 }, unexplained: [] });
  });
  test('is not explained by a fault that came later, or that cannot cause it', () => {
    const later = { ...exit, at: T0 + 60_000 };
    const api = { ...exit, part: 'api-1' };
    for (const entry of [later, api]) {
      const { unknown: judged } = judge(
        cleanRecord({ calls: [unknown], entries: [...cleanRecord().entries, entry] }),
      );
      expect(judged.unexplained).toEqual([expect.stringContaining(TOKEN)]);
    }
  });
  test('of an answer is explained by the wire, not by a worker’s end', () => {
    const ofWire = call({ status: 'unknown', error: 'Composio answered 502' });
    const entries = [...cleanRecord().entries, exit];
    expect(judge(cleanRecord({ calls: [ofWire], entries })).unknown.unexplained).toHaveLength(1);
    const odd = {
      at: new Date(T0 + 1_000).toISOString(),
      seq: 1,
      slug: null,
      accountId: null,
      status: 502,
      fault: 'f',
    };
    const judged = judge(cleanRecord({ calls: [ofWire], entries, oddExecutions: [odd] })).unknown;
    expect(judged.explained).toEqual({ 'Composio answered oddly (502)': 1 });
  });
});

test('recovery is from the kill to the next activity or effect', () => {
  const kill: Entry = {
    at: T0 + 100,
    is: 'fault',
    n: 1,
    phase: 'begin',
    fault: { kind: 'kill', part: 'worker', pick: 0, isAimed: false, isRash: false },
    part: 'worker-1',
  };
  const { recovery, kills } = judge(cleanRecord({ entries: [kill, ...cleanRecord().entries] }));
  expect(recovery).toEqual([{ part: 'worker', from: 'kill', count: 1, p50Ms: 800, p99Ms: 800, maxMs: 800 }]);
  expect(kills).toEqual({ worker: 1 });
});
