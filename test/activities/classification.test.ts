/**
 * The classification of every wire answer, held total: each status, code, slug, text and kind of body, for each purpose, for
 * reads and writes; each way to get no answer. And docs/classification.md, which is made of the same tables.
 */
import { describe, expect, test } from 'vitest';
import { DECISIONS, type Verdict, judgeFailure } from '../../activities/tool-verdict.ts';
import { BAD_ANSWERS, toFailure } from '../../activities/failures.ts';
import {
  ANSWER_ROWS,
  PURPOSES,
  type Purpose,
  TRANSPORT_KINDS,
  classifyAnswer,
  classifyTransportError,
  rowOf,
  unreadableAnswer,
} from '../../composio/classify.ts';
import { COMPOSIO_FAILURE_KINDS, ComposioFailure } from '../../composio/failure.ts';
import { TransportError, type WireAnswer } from '../../composio/transport.ts';
import { MODEL_FAILURE_KINDS, ModelFailure } from '../../model/failure.ts';
import { classificationDocument } from './classification-document.ts';

const CODES = [null, 0, 7, 1801, 1803, 1810, 1811, 1812, 1820, 1821, 2301, 4302, 600];
const SLUGS = [
  '',
  'Tool_ToolNotFound',
  'ActionExecute_InvalidRequestData',
  'ActionExecute_ConnectedAccountNotFound',
  'ActionExecute_ConnectedAccountExpired',
  'ActionExecute_ConnectedAccountNotActive',
  'ActionExecute_ConnectedAccountEntityIdRequired',
  'ActionExecute_ConnectedAccountEntityIdMismatch',
  'ToolRouterV2_NoActiveConnection',
];
const MESSAGES = [
  'no',
  'This endpoint is no longer available. Please upgrade to v3 APIs.',
  'Connected account ca_1 is in EXPIRED state',
  'Connected account ca_1 is in INACTIVE state',
  'It has expired',
];
/** Every body that an answer may have: Composio's envelope in all its contents, its two short forms, and what is none of it. */
const BODIES: readonly (readonly [text: string, type: string])[] = [
  ...CODES.flatMap((code) =>
    SLUGS.flatMap((slug) =>
      MESSAGES.map(
        (message) => [JSON.stringify({ error: { code, slug, message } }), 'application/json'] as const,
      ),
    ),
  ),
  ...MESSAGES.map((message) => [JSON.stringify({ error: message }), 'application/json'] as const),
  ...MESSAGES.map((message) => [JSON.stringify({ message }), 'application/json'] as const),
  ['', 'application/json'],
  ['{"error":', 'application/json'],
  ['null', 'application/json'],
  ['<!doctype html><title>502</title>', 'text/html; charset=utf-8'],
  ['<html>', 'text/plain'],
];
const answer = (status: number, [text, type]: (typeof BODIES)[number]): WireAnswer => ({
  status,
  text,
  headers: new Headers({ 'content-type': type }),
  requestId: 'req',
});
/** Statuses with which a server says itself that it did not do what was asked. Anything else proves nothing. */
const isProof = (status: number): boolean =>
  status >= 400 && status < 500 && ![408, 409, 460, 499].includes(status);

describe('an answer of Composio', () => {
  test('of each status, body and purpose has one verdict that keeps the rules, for reads and for writes', () => {
    const broken: string[] = [];
    let seen = 0;
    for (let status = 100; status < 600; status += 1) {
      for (const body of BODIES) {
        for (const purpose of PURPOSES) {
          const rule = brokenRule(classifyAnswer(answer(status, body), purpose, 0), status, purpose);
          if (rule !== null) broken.push(`${status} ${purpose} ${body[0]}: ${rule}`);
          seen += 1;
        }
      }
    }
    expect(broken.slice(0, 20)).toEqual([]);
    expect(seen).toBe(500 * BODIES.length * PURPOSES.length);
  });

  test('with status 2xx that cannot be read makes a write unknown, and a read is asked again', () => {
    for (let status = 200; status < 300; status += 1) {
      const failure = unreadableAnswer(answer(status, ['', '']), 'execute');
      expect(judgeFailure(failure, true)).toMatchObject({ kind: 'settle', outcome: { status: 'unknown' } });
      expect(judgeFailure(failure, false).kind).toBe('retry');
    }
  });

  test('is decided by a row of the table, and each row decides something', () => {
    const met = new Set<unknown>();
    for (let status = 0; status < 1_000; status += 1) {
      for (const body of BODIES) met.add(rowOf(answer(status, body)));
    }
    expect(met).toEqual(new Set(ANSWER_ROWS));
  });
});

const isUnknown = (verdict: Verdict): boolean =>
  verdict.kind === 'settle' && verdict.outcome.status === 'unknown';

/** Which rule of the house this verdict breaks; null for none. */
function brokenRule(failure: ComposioFailure, status: number, purpose: Purpose): string | null {
  const isDoubtful = purpose !== 'read' && !isProof(status);
  if (!COMPOSIO_FAILURE_KINDS.includes(failure.kind)) return `no kind ${failure.kind}`;
  if (failure.outcome !== (isDoubtful ? 'unknown' : 'rejected')) return `outcome ${failure.outcome}`;
  const write = judgeFailure(failure, true);
  const read = judgeFailure(failure, false);
  // A write that left and whose answer proves nothing is unknown, never sent again; a proof never makes it unknown.
  if (isUnknown(write) !== isDoubtful) return `a write is ${write.kind}`;
  if (isUnknown(read)) return 'a read is unknown';
  // What an outage looks like ends no read: 5xx, 408, 429, a 2xx that cannot be read.
  const isOutage = status >= 500 || status < 300 || status === 408 || status === 429;
  return isOutage && read.kind !== 'retry' ? `an outage makes a read ${read.kind}` : null;
}

describe('no answer of Composio', () => {
  const reasons = Object.keys(TRANSPORT_KINDS) as TransportError['reason'][];
  test.each(reasons.flatMap((reason) => [false, true].map((sent) => [reason, sent] as const)))(
    '(%s, the request left: %s) is unknown exactly for a write that left',
    (reason, sent) => {
      for (const purpose of PURPOSES) {
        const failure = classifyTransportError(new TransportError('x', { reason, sent }), purpose);
        expect(failure.outcome).toBe(sent && purpose !== 'read' ? 'unknown' : 'not_sent');
        const write = judgeFailure(failure, true);
        expect(write.kind === 'settle' && write.outcome.status === 'unknown').toBe(
          sent && purpose !== 'read',
        );
        const read = judgeFailure(failure, false);
        expect(read.kind).toBe(
          reason === 'too_large' || (reason === 'refused' && !sent) ? 'settle' : 'retry',
        );
        expect(read).not.toMatchObject({ outcome: { status: 'unknown' } });
      }
    },
  );

  test('in a way that nobody knows is unknown for a write and asked again for a read', () => {
    for (const error of [
      new TypeError('x'),
      new RangeError('Maximum call stack size exceeded'),
      'text',
      null,
    ]) {
      const failure = classifyTransportError(error, 'execute');
      expect(judgeFailure(failure, true)).toMatchObject({ outcome: { status: 'unknown' } });
      expect(judgeFailure(failure, false).kind).toBe('retry');
    }
  });
});

describe('a verdict', () => {
  test('is there for every kind of failure, and whoever invents an effect makes a write unknown', () => {
    expect(Object.keys(DECISIONS).sort()).toEqual([...COMPOSIO_FAILURE_KINDS].sort());
    for (const kind of COMPOSIO_FAILURE_KINDS) {
      const failure = new ComposioFailure('x', { kind, outcome: 'unknown' });
      expect(judgeFailure(failure, true)).toMatchObject({ outcome: { status: 'unknown' } });
    }
  });
});

describe('an attempt that failed', () => {
  const failed = (error: unknown, badAnswers?: number, random = 0) =>
    toFailure(error, badAnswers, () => random) as {
      nonRetryable?: boolean;
      nextRetryDelay?: unknown;
      type?: string;
    };
  const rateLimited = (retryAfterMs: number | null) =>
    new ComposioFailure('x', { kind: 'rate_limited', outcome: 'rejected', retryAfterMs });

  test.each(['unavailable', 'rate_limited', 'transient', 'too_large'] as const)(
    'because Composio was %s comes again, however often it failed before',
    (kind) => {
      expect(failed(new ComposioFailure('x', { kind, outcome: 'rejected' }))).toMatchObject({
        nonRetryable: false,
        type: `composio.${kind}`,
      });
    },
  );

  test.each(MODEL_FAILURE_KINDS.map((kind) => [kind, new ModelFailure('x', { kind }).retryable] as const))(
    'because the model was %s comes again: %s',
    (kind, comesAgain) => {
      expect(failed(new ModelFailure('x', { kind }), BAD_ANSWERS - 1).nonRetryable).toBe(!comesAgain);
    },
  );

  test('for the fifth useless answer in a row does NOT come again', () => {
    expect(failed(new ModelFailure('x', { kind: 'bad_answer' }), BAD_ANSWERS).nonRetryable).toBe(true);
  });

  test('comes no sooner than it was told, at least a second later, and spread by a tenth at most', () => {
    for (const told of [0, 1, 999, 1_000, 7_000, 3_600_000]) {
      for (const random of [0, 0.5, 0.999_999]) {
        const delay = Number(failed(rateLimited(told), 0, random).nextRetryDelay);
        expect(delay).toBeGreaterThanOrEqual(Math.max(told, 1_000));
        expect(delay).toBeLessThanOrEqual(Math.max(told, 1_000) * 1.1 + 1);
      }
    }
    expect(failed(rateLimited(null)).nextRetryDelay).toBeUndefined();
  });
});

test('docs/classification.md says what the tables say', async () => {
  await expect(await classificationDocument()).toMatchFileSnapshot('../../docs/classification.md');
});
