/** The gate as a table: whose account acts, and what a user is told when none can. */
import { describe, expect, test } from 'vitest';
import type { ConnectedAccount } from '../../domain/gate.ts';
import { gateMessage, resolveAccount } from '../../domain/gate.ts';
import { CONNECTION_STATUSES, GATE_REASONS } from '../../domain/statuses.ts';

const account = (id: string, changes: Partial<ConnectedAccount> = {}): ConnectedAccount => ({
  id,
  entityId: 'alice',
  app: 'slack',
  authConfigId: 'ac_1',
  status: 'ACTIVE',
  statusReason: null,
  disabled: false,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  ...changes,
});
const day = (n: number): string => `2026-01-${String(n).padStart(2, '0')}T00:00:00.000Z`;
/** `ready:<account>` or `<reason>:<account or ->`. */
const resolve = (
  accounts: readonly ConnectedAccount[],
  {
    unaccepted = [],
    refused = [],
    lastVerified = null,
  }: { unaccepted?: string[]; refused?: string[]; lastVerified?: string | null } = {},
): string => {
  const resolution = resolveAccount(accounts, {
    entityId: 'alice',
    app: 'slack',
    knowledge: { unaccepted: new Set(unaccepted), refused: new Set(refused), lastVerified },
  });
  return resolution.kind === 'ready'
    ? `ready:${resolution.account.id}`
    : `${resolution.reason}:${resolution.account?.id ?? '-'}`;
};

describe('the account that acts', () => {
  test.each<[string, readonly ConnectedAccount[], Parameters<typeof resolve>[1], string]>([
    ['none without accounts', [], {}, 'missing:-'],
    ['the only ACTIVE one', [account('a')], {}, 'ready:a'],
    [
      'the newest ACTIVE one',
      [account('old', { createdAt: day(1) }), account('new', { createdAt: day(2) })],
      {},
      'ready:new',
    ],
    [
      'the last verified one before a newer one',
      [account('old', { createdAt: day(1) }), account('new', { createdAt: day(2) })],
      { lastVerified: 'old' },
      'ready:old',
    ],
    [
      'NOT the last verified one when it has expired',
      [account('old', { status: 'EXPIRED' }), account('new')],
      { lastVerified: 'old' },
      'ready:new',
    ],
    ['NOT one that was refused although it is ACTIVE', [account('a')], { refused: ['a'] }, 'revoked:a'],
    [
      'another one beside one that was refused, even if that was the last verified',
      [account('old', { createdAt: day(1) }), account('new', { createdAt: day(2) })],
      { refused: ['new'], lastVerified: 'new' },
      'ready:old',
    ],
    [
      'NOT the last verified one when it is disabled',
      [account('old', { disabled: true }), account('new')],
      { lastVerified: 'old' },
      'ready:new',
    ],
    ['the higher id of two made at once', [account('a'), account('b')], {}, 'ready:b'],
    [
      'an ACTIVE one beside a newer EXPIRED one',
      [account('works', { createdAt: day(1) }), account('broken', { createdAt: day(2), status: 'EXPIRED' })],
      {},
      'ready:works',
    ],
    ['NEVER another entity’s', [account('b', { entityId: 'bob' })], {}, 'missing:-'],
    [
      'NEVER another entity’s, not even verified',
      [account('b', { entityId: 'bob' })],
      { lastVerified: 'b' },
      'missing:-',
    ],
    ['NEVER an entity’s whose id differs in case', [account('b', { entityId: 'Alice' })], {}, 'missing:-'],
    ['NEVER another app’s', [account('g', { app: 'gmail' })], {}, 'missing:-'],
    ['NEVER that of an unaccepted attempt', [account('x')], { unaccepted: ['x'] }, 'missing:-'],
    [
      'NEVER that of an unaccepted attempt, not even verified',
      [account('x')],
      { unaccepted: ['x'], lastVerified: 'x' },
      'missing:-',
    ],
    ['NOT a disabled one', [account('d', { disabled: true })], {}, 'inactive:d'],
  ])('is %s', (_name, accounts, knowledge, expected) => {
    expect(resolve(accounts, knowledge)).toBe(expected);
    expect(resolve(accounts.toReversed(), knowledge)).toBe(expected);
  });

  test('does not depend on the order of Composio’s list, and the list is left as it was', () => {
    const accounts = [3, 1, 2].map((n) => account(`a${n}`, { createdAt: day(n) }));
    const before = structuredClone(accounts);
    expect(resolve(accounts)).toBe('ready:a3');
    expect(accounts).toEqual(before);
  });
});

describe('the reason', () => {
  test('is told for each of Composio’s statuses', () => {
    const seen = CONNECTION_STATUSES.map((status) => [status, resolve([account('a', { status })])]);
    expect(Object.fromEntries(seen)).toEqual({
      INITIALIZING: 'missing:-',
      INITIATED: 'missing:-',
      ACTIVE: 'ready:a',
      EXPIRED: 'expired:a',
      FAILED: 'failed:a',
      INACTIVE: 'inactive:a',
      REVOKED: 'revoked:a',
    });
  });

  test('is that of the newest broken account', () => {
    const accounts = [
      account('old', { status: 'FAILED', createdAt: day(1) }),
      account('new', { status: 'EXPIRED', createdAt: day(2) }),
      account('link', { status: 'INITIATED', createdAt: day(3) }),
    ];
    expect(resolve(accounts)).toBe('expired:new');
  });

  test('is missing when only an unaccepted attempt’s account is broken', () => {
    expect(resolve([account('x', { status: 'EXPIRED' })], { unaccepted: ['x'] })).toBe('missing:-');
  });
});

describe('the sentence', () => {
  test('for a missing connection asks to connect', () => {
    expect(gateMessage('missing', 'Slack')).toBe(
      'Please connect your Slack account first in Settings > Integrations.',
    );
  });
  test.each(GATE_REASONS.filter((reason) => reason !== 'missing'))('for %s asks to reconnect', (reason) => {
    expect(gateMessage(reason, 'Google Calendar')).toBe(
      'Your Google Calendar connection has expired. Please reconnect in Settings > Integrations.',
    );
  });
});
