/** The one table from Composio's answer to what becomes of a call. */
import { describe, expect, test } from 'vitest';
import { judgeAnswer, judgeFailure, type Verdict } from '../../activities/tool-verdict.ts';
import { COMPOSIO_FAILURE_KINDS, ComposioFailure, type EffectOutcome } from '../../composio/failure.ts';

const short = (verdict: Verdict): string =>
  verdict.kind === 'settle' ? verdict.outcome.status : verdict.kind;
const failure = (kind: (typeof COMPOSIO_FAILURE_KINDS)[number], outcome: EffectOutcome) =>
  short(judgeFailure(new ComposioFailure('x', { kind, outcome }), true));
const readFailure = (kind: (typeof COMPOSIO_FAILURE_KINDS)[number], outcome: EffectOutcome) =>
  short(judgeFailure(new ComposioFailure('x', { kind, outcome }), false));

describe('a failure', () => {
  test('of each kind that provably did nothing never makes a write unknown', () => {
    const seen = COMPOSIO_FAILURE_KINDS.map((kind) => [
      kind,
      failure(kind, 'rejected'),
      failure(kind, 'not_sent'),
    ]);
    expect(seen).toEqual([
      ['unavailable', 'retry', 'retry'],
      ['rate_limited', 'retry', 'retry'],
      ['transient', 'retry', 'retry'],
      ['invalid_arguments', 'failed', 'failed'],
      ['tool_not_found', 'failed', 'failed'],
      ['not_connected', 'needs_connection', 'needs_connection'],
      ['connection_expired', 'needs_connection', 'needs_connection'],
      ['tenant_violation', 'fatal', 'fatal'],
      ['config', 'fatal', 'fatal'],
      ['api_retired', 'fatal', 'fatal'],
      ['too_large', 'failed', 'failed'],
      ['rejected', 'failed', 'failed'],
    ]);
  });

  test.each(['unavailable', 'transient', 'too_large'] as const)(
    '%s that may have happened makes a write unknown, and never a read',
    (kind) => {
      expect(failure(kind, 'unknown')).toBe('unknown');
      expect(readFailure(kind, 'unknown')).toBe(kind === 'too_large' ? 'failed' : 'retry');
    },
  );
});

describe('an answer', () => {
  const answer = (error: string | null) => ({
    successful: error === null,
    data: { a: 1 },
    error,
    logId: 'log_1',
  });
  test('that was successful is done, with its data', () => {
    expect(judgeAnswer(answer(null), true)).toEqual({
      kind: 'settle',
      outcome: { status: 'done', result: { a: 1 }, logId: 'log_1' },
    });
  });
  test('that says no has failed, with its words and its data', () => {
    expect(judgeAnswer(answer('channel_not_found'), true)).toEqual({
      kind: 'settle',
      outcome: { status: 'failed', error: 'channel_not_found', result: { a: 1 }, logId: 'log_1' },
    });
  });
  test('that speaks of a timeout makes a write unknown and a read failed', () => {
    expect(short(judgeAnswer(answer('Request timed out'), true))).toBe('unknown');
    expect(short(judgeAnswer(answer('Request timed out'), false))).toBe('failed');
  });
  test('whose data speaks of a 5xx makes a write unknown, whatever its error says', () => {
    const said = { ...answer('It failed'), data: { http_error: '503 Server Error', status_code: 503 } };
    expect(short(judgeAnswer(said, true))).toBe('unknown');
    expect(short(judgeAnswer(said, false))).toBe('failed');
  });
});
