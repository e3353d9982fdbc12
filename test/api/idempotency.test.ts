/** Idempotency-Key beyond what runs.test.ts shows: many at once, whose key it is, and requests that were held up. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Principal } from '../../api/auth.ts';
import { asSystem } from '../../db/scope.ts';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import { type AnyBody, startTestApi, type TestApi } from './setup/api.ts';

let api: TestApi;
let caller: Principal = { keyId: 'one', scopes: ['admin'] };
let userId: string;
beforeAll(async () => {
  api = await startTestApi({ deps: { authenticate: async () => caller } });
  userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
});
afterAll(async () => await api.close());

const newBody = (more: object = {}) => ({
  userId,
  tools: ['SLACK_SEND_MESSAGE'],
  task: scripted([{ content: 'Done.' }], `Task ${randomUUID()}.`),
  ...more,
});
const post = (body: AnyBody, key: string, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/runs', { body, headers: { 'idempotency-key': key, ...headers } });
const runsOf = async (task: string): Promise<string[]> =>
  (
    await asSystem(api.bellhop.db, (tx) =>
      tx.selectFrom('runs').select('id').where('task', '=', task).execute(),
    )
  ).map(({ id }) => id);
const age = (key: string, seconds: number) =>
  asSystem(api.bellhop.db, (tx) =>
    tx
      .updateTable('idempotency_keys')
      .set({ created_at: new Date(Date.now() - seconds * 1_000) })
      .where('key', '=', key)
      .execute(),
  );

describe('one key', () => {
  it('makes one run and one workflow out of 50 clients that post at once and repeat until they have it', async () => {
    const key = randomUUID();
    const body = newBody();
    const client = async (): Promise<AnyBody> => {
      for (;;) {
        const answer = await post(body, key);
        if (answer.status === 409)
          expect([answer.body.code, answer.headers['retry-after']]).toEqual(['idempotency_in_progress', '1']);
        // 503: more at once than this process gets connections to the database for.
        else if (answer.status !== 503) return answer;
        await sleep(Number(answer.headers['retry-after']) * 1_000);
      }
    };
    const answers = await Promise.all(Array.from({ length: 50 }, client));
    const [id, ...others] = await runsOf(body.task);
    expect(others).toEqual([]);
    expect(new Set(answers.map((answer) => answer.body.id))).toEqual(new Set([id]));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(49);
    for (const { status, headers } of answers)
      expect(headers['idempotent-replayed']).toBe(status === 200 ? 'true' : undefined);
    expect((await api.bellhop.ended(id ?? '', 60_000)).status).toBe('completed');
    const asked = await api.bellhop.modelSandbox.requests({ marker: body.task.split('\n')[0] ?? '' });
    expect(asked).toHaveLength(1);
  });

  it('gives the run as it is now, not as it was', async () => {
    const key = randomUUID();
    const body = newBody();
    const first = await post(body, key, { prefer: 'respond-async' });
    expect([first.status, first.body.status]).toEqual([202, 'running']);
    await api.bellhop.ended(first.body.id);
    const again = await post(body, key);
    expect([again.status, again.body.id, again.body.status]).toEqual([200, first.body.id, 'completed']);
  });

  it('of another API key is another key', async () => {
    const key = randomUUID();
    const body = newBody();
    const first = await post(body, key);
    caller = { keyId: 'two', scopes: ['admin'] };
    const other = await post(body, key);
    caller = { keyId: 'one', scopes: ['admin'] };
    expect([first.status, other.status]).toEqual([202, 202]);
    expect(other.body.id).not.toBe(first.body.id);
  });

  it('is another one when it is written in another case', async () => {
    const body = newBody();
    const [a, b] = [await post(body, `Key-${userId}`), await post(body, `key-${userId}`)];
    expect([a.status, b.status]).toEqual([202, 202]);
  });

  it('of 255 printable characters is taken, and is free again after 24 hours', async () => {
    const key = `~${randomUUID()}${' !"#'.repeat(80)}`.slice(0, 254).concat('x');
    expect(key).toHaveLength(255);
    const body = newBody();
    const first = await post(body, key);
    await api.bellhop.ended(first.body.id);
    expect((await post(body, key)).body.id).toBe(first.body.id);
    await age(key, 24 * 3_600 + 1);
    const next = await post(body, key);
    expect(next.status).toBe(202);
    expect(next.body.id).not.toBe(first.body.id);
  });

  it.each([
    ['thread_busy', 409],
    ['tool_unknown', 422],
    ['user_unknown', 404],
  ])('is not used up by %s', async (code, status) => {
    const key = randomUUID();
    const threadId = randomUUID();
    const blocking = await post(
      newBody({ threadId, task: scripted([{ content: 'late', fault: { kind: 'latency', ms: 60_000 } }]) }),
      randomUUID(),
    );
    const bad = {
      thread_busy: { threadId },
      tool_unknown: { tools: ['NO_SUCH_TOOL'] },
      user_unknown: { userId: `u-${key}` },
    }[code];
    const refused = await post(newBody(bad), key);
    expect([refused.status, refused.body.code]).toEqual([status, code]);
    await api.call('POST', `/v1/runs/${blocking.body.id}/cancel`);
    // Another body even: nothing was kept.
    expect((await post(newBody(), key)).status).toBe(202);
  });
});

describe('a request that was held up for so long that its repetition took the key', () => {
  it('makes no second run: it is told that the key is taken', async () => {
    const key = randomUUID();
    const body = newBody({ tools: ['GITHUB_CREATE_ISSUE'], onMissingConnection: 'fail' });
    const barrier = randomUUID();
    await api.bellhop.sandbox.addFault({
      match: { route: 'tools.list' },
      action: { type: 'hold', barrier },
      times: 1,
    });
    const heldUp = post(body, key);
    await api.bellhop.sandbox.waitForBarrier(barrier);
    await age(key, 31);
    const repetition = post(body, key);
    // Both look the tool up; the one that has the key goes on in any case, without an answer too.
    await until('the repetition to have the key', async () => {
      const [claim] = await asSystem(api.bellhop.db, (tx) =>
        tx.selectFrom('idempotency_keys').select('created_at').where('key', '=', key).execute(),
      );
      return claim !== undefined && claim.created_at.getTime() > Date.now() - 20_000;
    });
    await api.bellhop.sandbox.releaseBarrier(barrier);
    const [first, second] = await Promise.all([heldUp, repetition]);
    expect([first.status, first.body.code]).toEqual([409, 'idempotency_in_progress']);
    expect(second.status).toBe(202);
    expect(await runsOf(body.task)).toEqual([second.body.id]);
    const again = await post(body, key);
    expect([again.status, again.body.id]).toEqual([200, second.body.id]);
  });
});
