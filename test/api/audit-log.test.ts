/** The log of what operators and administrators did: each act once, with its key, never changed, and nobody's words in it. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addNotice } from '../../db/notices.ts';
import { type AnyTx, asSystem, forUser } from '../../db/scope.ts';
import { scripted } from '../setup/bellhop.ts';
import type { AnyBody, TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => await api.close());

const entries = async (action: string): Promise<AnyBody[]> =>
  (await api.call('GET', '/v1/audit-log?limit=100')).body.items.filter(
    (entry: AnyBody) => entry.action === action,
  );
const newUser = async (): Promise<string> => {
  const userId = `user-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  return userId;
};
async function waitingForApproval(userId: string): Promise<{ runId: string; callId: string }> {
  await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const task = scripted([
    { toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'hi' } }] },
    { content: 'Done.' },
  ]);
  const body = { userId, task, tools: ['SLACK_SEND_MESSAGE'], approvals: { require: 'writes' } };
  const { id } = (await api.call('POST', '/v1/runs', { body })).body;
  await api.bellhop.until(id, (run) => run.status === 'waiting_for_approval');
  return { runId: id, callId: (await api.call('GET', `/v1/runs/${id}`)).body.toolCalls[0].id };
}

describe('an act', () => {
  it('on an approval is written once, with the key, the request, whom it was about and who decided; a repetition is not', async () => {
    const userId = await newUser();
    const { runId, callId } = await waitingForApproval(userId);
    const made = (await api.call('POST', '/v1/api-keys', { body: { name: 'desk', scopes: ['operator'] } }))
      .body;
    const decide = () =>
      api.call('POST', `/v1/runs/${runId}/approvals/${callId}`, {
        headers: { authorization: `Bearer ${made.key}` },
        body: { decision: 'deny', approver: 'dana', reason: 'words that must not be kept' },
      });
    const first = await decide();
    expect([first.status, (await decide()).status]).toEqual([200, 200]);
    const mine = (await entries('approval.denied')).filter((entry) => entry.details.runId === runId);
    expect(mine).toEqual([
      {
        id: expect.any(String),
        at: expect.any(String),
        action: 'approval.denied',
        keyId: made.id,
        keyName: 'desk',
        requestId: first.headers['x-request-id'],
        details: { runId, toolCallId: callId, tool: 'SLACK_SEND_MESSAGE' },
        userId,
        actor: 'dana',
      },
    ]);
    expect((await api.call('GET', '/v1/audit-log?limit=100')).text).not.toContain('words that must not');
  });

  it('that is refused is not written', async () => {
    const userId = await newUser();
    const { runId, callId } = await waitingForApproval(userId);
    const decide = (decision: string) =>
      api.call('POST', `/v1/runs/${runId}/approvals/${callId}`, { body: { decision, approver: 'dana' } });
    expect((await decide('approve')).status).toBe(200);
    expect((await decide('deny')).status).toBe(409);
    const of = async (action: string) =>
      (await entries(action)).filter((entry) => entry.details.runId === runId).length;
    expect([await of('approval.approved'), await of('approval.denied')]).toEqual([1, 0]);
  });

  it('on a run, an audit, a delivery, a connection and a key is written', async () => {
    const userId = await newUser();
    const { runId } = await waitingForApproval(userId);
    for (let n = 0; n < 2; n += 1) await api.call('POST', `/v1/runs/${runId}/cancel`);
    await api.bellhop.ended(runId);
    const [account] = await api.bellhop.sandbox.accounts({ userId });
    expect((await api.call('DELETE', `/v1/users/${userId}/connections/${account?.id}`)).status).toBe(204);
    const audit = (await api.call('POST', '/v1/audits', { body: {} })).body;
    await api.call('POST', `/v1/audits/${audit.id}/cancel`);
    const delivery = await failedDelivery(userId);
    expect((await api.call('POST', `/v1/deliveries/${delivery}/retry`)).status).toBe(202);
    const key = (await api.call('POST', '/v1/api-keys', { body: { name: 'brief', scopes: ['runs'] } })).body;
    await api.call('DELETE', `/v1/api-keys/${key.id}`);

    const about = async (action: string, id: string) =>
      (await entries(action)).filter((entry) => Object.values(entry.details).includes(id));
    expect(await about('run.cancel_requested', runId)).toMatchObject([{ userId, keyId: 'bootstrap' }]);
    expect(await about('connection.deleted', account?.id ?? '')).toMatchObject([{ userId }]);
    expect(await about('audit.started', audit.id)).toMatchObject([{ userId: null, actor: null }]);
    expect(await about('delivery.retried', delivery)).toMatchObject([{ userId }]);
    expect(await about('api_key.created', key.id)).toMatchObject([
      { details: { name: 'brief', scopes: 'runs' } },
    ]);
    expect(await about('api_key.deleted', key.id)).toHaveLength(1);
    expect(JSON.stringify(await entries('api_key.created'))).not.toContain(key.key);
  });

  async function failedDelivery(userId: string): Promise<string> {
    return forUser(api.bellhop.db, userId, async (tx) => {
      const notice = {
        userId,
        type: 'run.failed',
        dedupeKey: randomUUID(),
        app: null,
        flowId: null,
        runId: null,
        data: {},
      } as const;
      const noticeId = await addNotice(tx, notice, ['webhook']);
      const { id } = await tx
        .updateTable('deliveries')
        .set({ status: 'failed' })
        .where('notice_id', '=', noticeId ?? '')
        .returning('id')
        .executeTakeFirstOrThrow();
      return id;
    });
  }
});

describe('the log', () => {
  it('cannot be changed, by the product’s roles nor by the tables’ owner', async () => {
    await api.call('POST', '/v1/api-keys', { body: { name: 'kept', scopes: ['runs'] } });
    const statements = [
      `update audit_log set action = 'x'`,
      'delete from audit_log',
      'truncate audit_log cascade',
      `update audit_log_people set actor = 'x'`,
      'delete from audit_log_people',
    ];
    for (const statement of statements) {
      for (const scope of ['system', 'user'] as const) {
        const run = (tx: AnyTx) => sql.raw(statement).execute(tx);
        const asRole =
          scope === 'system' ? asSystem(api.bellhop.db, run) : forUser(api.bellhop.db, 'alice', run);
        await expect(asRole).rejects.toThrow(/permission denied/);
      }
    }
    const owner = new pg.Client({ connectionString: api.bellhop.databaseUrl });
    await owner.connect();
    try {
      for (const statement of statements.slice(0, 3))
        await expect(owner.query(statement)).rejects.toThrow('append-only');
    } finally {
      await owner.end();
    }
    expect(await entries('api_key.created')).toContainEqual(
      expect.objectContaining({ details: expect.objectContaining({ name: 'kept' }) }),
    );
  });

  it('is paged, newest first, without gaps or repetitions', async () => {
    for (let n = 0; n < 5; n += 1)
      await api.call('POST', '/v1/api-keys', { body: { name: `p${n}`, scopes: ['runs'] } });
    const all = (await api.call('GET', '/v1/audit-log?limit=100')).body.items.map(
      (entry: AnyBody) => entry.id,
    );
    const paged: string[] = [];
    for (let cursor = ''; ;) {
      const { items, nextCursor } = (await api.call('GET', `/v1/audit-log?limit=2${cursor}`)).body;
      paged.push(...items.map((entry: AnyBody) => entry.id));
      if (nextCursor === null) break;
      cursor = `&cursor=${nextCursor}`;
    }
    expect(paged).toEqual(all);
    expect(all).toEqual(all.toSorted((a: string, b: string) => Number(b) - Number(a)));
  });

  it('loses the person and keeps the entry when the user goes', async () => {
    const userId = await newUser();
    const { runId } = await waitingForApproval(userId);
    await api.call('POST', `/v1/runs/${runId}/cancel`);
    await api.bellhop.ended(runId);
    await forUser(api.bellhop.db, userId, (tx) =>
      tx.deleteFrom('users').where('user_id', '=', userId).execute(),
    );
    const [entry] = (await entries('run.cancel_requested')).filter((e) => e.details.runId === runId);
    expect(entry).toMatchObject({ userId: null, actor: null, keyId: 'bootstrap' });
  });
});
