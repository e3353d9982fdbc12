/** The port's conformance: executing tools, refusing to, and never acting for somebody else. */
import { describe, expect, it } from 'vitest';
import type { Stage } from './conformance-stage.ts';
import { knownTool, lastSeq } from './conformance-stage.ts';
import { account, call, failureOf } from './fixtures.ts';

export function describeExecution(stage: Stage): void {
  describe('execution', () => {
    it('executes once with the given account, in one request, and tells what the provider said', async () => {
      const seeded = await stage.control.seedAccount({ userId: 'doer', app: 'slack' });
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const since = await lastSeq(stage.control);
      const [own] = await stage.port.forEntity('doer').connections(['slack']);
      const args = { channel: 'general', text: 'once, with a NUL \u0000 and a smile 🙂' };
      const result = await stage.port
        .forEntity('doer')
        .execute(call({ tool, account: own ?? null, arguments: args }));
      expect(result).toMatchObject({ successful: true, error: null });
      expect(result.logId).toMatch(/^log_/);
      const effects = await stage.control.journal({ accountId: seeded.id });
      expect(effects).toHaveLength(1);
      expect(effects[0]).toMatchObject({ userId: 'doer', accountOwner: 'doer', arguments: args });
      const routes = (await stage.control.requests({ since })).map((r) => r.route);
      expect(routes).toEqual(['accounts.list', 'tools.execute']);
    });

    it('sends no account for a tool that needs none', async () => {
      const tool = await knownTool(stage.port, 'HACKERNEWS_GET_FRONTPAGE');
      const result = await stage.port
        .forEntity('reader')
        .execute(call({ tool, account: null, arguments: {} }));
      expect(result.successful).toBe(true);
      expect((await stage.control.journal({ userId: 'reader' })).map((e) => e.accountId)).toEqual([null]);
    });

    it('gives a no of the provider as an answer, not as an exception', async () => {
      const seeded = await stage.control.seedAccount({ userId: 'refused', app: 'slack' });
      await stage.control.revokeAtProvider(seeded.id);
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const own = await stage.port.getConnection(seeded.id);
      const result = await stage.port.forEntity('refused').execute(call({ tool, account: own }));
      expect(result).toMatchObject({ successful: false, error: 'token_revoked' });
    });

    it('awaits beforeSend after every check and before the request, once', async () => {
      const seeded = await stage.control.seedAccount({ userId: 'ordered', app: 'slack' });
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const own = await stage.port.getConnection(seeded.id);
      const seenAtHook: number[] = [];
      const beforeSend = async (): Promise<void> => {
        seenAtHook.push(await stage.control.countRequests({ route: 'tools.execute', userId: 'ordered' }));
      };
      await stage.port.forEntity('ordered').execute(call({ tool, account: own, beforeSend }));
      expect(seenAtHook).toEqual([0]);
      expect(await stage.control.countRequests({ route: 'tools.execute', userId: 'ordered' })).toBe(1);
    });

    it('sends nothing when beforeSend throws, and throws the very same error untouched', async () => {
      const seeded = await stage.control.seedAccount({ userId: 'stopped', app: 'slack' });
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const own = await stage.port.getConnection(seeded.id);
      const reason = Object.freeze(new Error('the row is too old'));
      const work = stage.port.forEntity('stopped').execute(
        call({
          tool,
          account: own,
          beforeSend: async () => {
            throw reason;
          },
        }),
      );
      await expect(work).rejects.toBe(reason);
      expect(Object.keys(reason)).toEqual([]);
      expect(await stage.control.countRequests({ route: 'tools.execute', userId: 'stopped' })).toBe(0);
    });

    it.each([
      [{ type: 'status', status: 429, retryAfter: 7 } as const, 'rate_limited', 'rejected', 7_000],
      [{ type: 'status', status: 503 } as const, 'transient', 'unknown', null],
      [{ type: 'status', status: 500, afterEffect: true } as const, 'transient', 'unknown', null],
      [{ type: 'status', status: 401 } as const, 'config', 'rejected', null],
      [{ type: 'reset', afterEffect: true } as const, 'transient', 'unknown', null],
      [{ type: 'malformed', how: 'truncated' } as const, 'transient', 'unknown', null],
      [{ type: 'malformed', how: 'html' } as const, 'transient', 'unknown', null],
      [{ type: 'malformed', how: 'empty' } as const, 'transient', 'unknown', null],
      [{ type: 'malformed', how: 'wrong_shape' } as const, 'transient', 'unknown', null],
      [
        { type: 'redirect', location: 'http://169.254.169.254/latest' } as const,
        'transient',
        'unknown',
        null,
      ],
    ])('tells %j on an execution as %s with outcome %s', async (action, kind, outcome, retryAfterMs) => {
      const seeded = await stage.control.seedAccount({ userId: 'unlucky', app: 'slack' });
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const own = await stage.port.getConnection(seeded.id);
      await stage.control.addFault({ match: { route: 'tools.execute' }, action });
      const failure = await failureOf(stage.port.forEntity('unlucky').execute(call({ tool, account: own })));
      expect(failure).toMatchObject({ kind, outcome, retryAfterMs });
    });

    it('tells an account that expired or went away meanwhile as what it is, not as a doubt', async () => {
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const seeded = await stage.control.seedAccount({ userId: 'late', app: 'slack' });
      const own = await stage.port.getConnection(seeded.id);
      await stage.control.setStatus(seeded.id, 'EXPIRED');
      const expired = await failureOf(stage.port.forEntity('late').execute(call({ tool, account: own })));
      expect(expired).toMatchObject({ kind: 'connection_expired', outcome: 'rejected' });
      await stage.control.deleteAccount(seeded.id);
      const gone = await failureOf(stage.port.forEntity('late').execute(call({ tool, account: own })));
      expect(gone).toMatchObject({ kind: 'not_connected', outcome: 'rejected' });
      expect(await stage.control.journal({ userId: 'late' })).toEqual([]);
    });
  });
}

export function describeRefusals(stage: Stage): void {
  describe('refusals before anything is sent', () => {
    it.each(['', 'default', 'a,b', '..', 'a b', 'x'.repeat(129)])('refuses the entity id %j', (entityId) => {
      expect(() => stage.port.forEntity(entityId)).toThrow(
        expect.objectContaining({ kind: 'tenant_violation', outcome: 'not_sent' }) as Error,
      );
    });

    it.each([
      ["another entity's account", { entityId: 'bob' }, 'tenant_violation'],
      ["another app's account", { app: 'gmail' }, 'tenant_violation'],
      ['an EXPIRED account', { status: 'EXPIRED' }, 'connection_expired'],
      ['an INITIATED account', { status: 'INITIATED' }, 'not_connected'],
      ['an INACTIVE account', { status: 'INACTIVE' }, 'not_connected'],
      ['a REVOKED account', { status: 'REVOKED' }, 'not_connected'],
      ['a disabled account', { disabled: true }, 'not_connected'],
    ] as const)('refuses %s with zero requests', async (_name, change, kind) => {
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const since = await lastSeq(stage.control);
      const work = stage.port.forEntity('alice').execute(call({ tool, account: account(change) }));
      expect(await failureOf(work)).toMatchObject({ kind, outcome: 'not_sent' });
      expect(await stage.control.countRequests({ since })).toBe(0);
    });

    it('refuses no account for a tool that needs one', async () => {
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const work = stage.port.forEntity('alice').execute(call({ tool, account: null }));
      expect(await failureOf(work)).toMatchObject({ kind: 'not_connected', outcome: 'not_sent' });
    });

    it.each([
      ['a key that the schema has not', { channel: 'c', to: 'x' }],
      ['a missing key', { text: 'hello' }],
      ['a wrong type', { channel: 7 }],
      ['a local file', { channel: 'c', file_schema_parsed_file: '/etc/passwd' }],
      ['a prototype key', JSON.parse('{"channel":"c","__proto__":{"x":1}}') as never],
    ])('refuses arguments with %s, with zero requests and no call of beforeSend', async (_name, args) => {
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      const since = await lastSeq(stage.control);
      let hooks = 0;
      const beforeSend = async (): Promise<void> => {
        hooks += 1;
      };
      const failure = await failureOf(
        stage.port.forEntity('alice').execute(call({ tool, arguments: args, beforeSend })),
      );
      expect(failure).toMatchObject({ kind: 'invalid_arguments', outcome: 'not_sent' });
      expect(hooks).toBe(0);
      expect(await stage.control.countRequests({ since })).toBe(0);
    });
  });
}

export function describeIsolation(stage: Stage): void {
  it('never crosses 50 entities that act at once through one port with shuffled latencies', async () => {
    const users = Array.from({ length: 50 }, (_, i) => `crowd-${String(i)}`);
    await stage.control.seedAccounts(
      users.map((userId) => ({ userId, app: 'slack', accountName: `canary-${userId}` })),
    );
    await stage.control.addFault({ action: { type: 'latency', minMs: 0, maxMs: 60, seed: 7 } });
    const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
    await Promise.all(
      users.map(async (userId) => {
        for (let turn = 0; turn < 3; turn++) {
          const entity = stage.port.forEntity(userId);
          const [own] = await entity.connections(['slack']);
          const args = { channel: 'general', text: `of ${userId}, turn ${String(turn)}` };
          const result = await entity.execute(
            call({ tool, account: own ?? null, arguments: args, timeoutMs: 20_000 }),
          );
          expect(JSON.stringify(result.data)).toContain(`of ${userId}, turn ${String(turn)}`);
        }
      }),
    );
    const effects = (await stage.control.journal()).filter((e) => e.userId?.startsWith('crowd-'));
    expect(effects).toHaveLength(150);
    for (const effect of effects) {
      expect(effect.accountOwner).toBe(effect.userId);
      expect(effect.arguments.text).toMatch(new RegExp(`^of ${effect.userId ?? ''}, turn \\d$`));
    }
  });
}
