/**
 * Audit, webhook, three runs and a settings page look at the same users in the same moment, each with its own delay: who was
 * first is anybody's guess, and each break is told once, by the receiver's own count. ROUNDS lengthens it.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { listOpenEpisodes } from '../../db/episodes.ts';
import { asSystem } from '../../db/scope.ts';
import { type Receiver, startReceiver } from '../setup/receiver.ts';
import { until } from '../setup/until.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

const SECRET = 'whsec_of the project';
const USERS = 30;
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
/** Everything takes its turn on a busy machine. */
const PATIENCE_MS = 120_000;

let api: TestApi;
let receiver: Receiver;
let users: readonly { readonly userId: string; readonly accountId: string }[];
beforeAll(async () => {
  receiver = await startReceiver();
  const webhook = { url: receiver.url, secret: 'a secret of the integrator' };
  api = await startTestApi({ webhookSecrets: [SECRET], settings: { webhook } });
});
/** Each attempt has users of its own. */
beforeEach(async () => {
  await api.bellhop.sandbox.clearFaults();
  const ids = Array.from({ length: USERS }, () => `user-${randomUUID()}`);
  for (const userId of ids) await api.bellhop.putUser(userId);
  const accounts = await api.bellhop.sandbox.seedAccounts(ids.map((userId) => ({ userId, app: 'slack' })));
  users = ids.map((userId, i) => ({ userId, accountId: accounts[i]?.id ?? '' }));
});
afterAll(async () => {
  await api.close();
  await receiver.close();
});

/** Notices, not deliveries: a delivery may be repeated, and then has the same id. */
const toldOf = (userId: string): number =>
  new Set(receiver.of(userId, 'connection.expired').map(({ headers }) => headers['webhook-id'])).size;
const setAll = async (status: 'ACTIVE' | 'EXPIRED'): Promise<void> => {
  await Promise.all(users.map(({ accountId }) => api.bellhop.sandbox.setStatus(accountId, status)));
};
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function audit(): Promise<void> {
  const id = await until(
    'an audit of its own',
    async () => {
      const started = await api.call('POST', '/v1/audits', { body: {} });
      return started.status === 202 ? String(started.body.id) : null;
    },
    PATIENCE_MS,
  );
  await until(
    'the audit’s end',
    async () => (await api.call('GET', `/v1/audits/${id}`)).body.status === 'completed',
    PATIENCE_MS,
  );
}
/** As clients do: what is 503, on a machine that can do no more, is asked again. */
const patiently = <T>(
  what: string,
  ask: () => Promise<{ status: number | null; value: T }>,
  wanted: number[],
): Promise<T> =>
  until(
    what,
    async () => {
      const { status, value } = await ask();
      if (status !== null && wanted.includes(status)) return { value };
      expect([503, null]).toContain(status);
      return null;
    },
    PATIENCE_MS,
  ).then(({ value }) => value);
async function webhook({ accountId }: { accountId: string }): Promise<void> {
  const url = `${api.url}/v1/webhooks/composio`;
  const webhookId = `msg_${randomUUID()}`;
  const order = { accountId, url, secret: SECRET, webhookId, omitUserId: Math.random() < 0.5 };
  const ask = async () => ({ status: (await api.bellhop.sandbox.emitWebhook(order)).status, value: null });
  await patiently('the webhook', ask, [202, 200]);
}
/** One waits for the connection; the others end at the gate, as they were asked to. */
async function run(userId: string, onMissingConnection: 'wait' | 'fail'): Promise<string> {
  const headers = { prefer: 'respond-async', 'idempotency-key': randomUUID() };
  const body = { userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'], onMissingConnection };
  const ask = async () => {
    const answer = await api.call('POST', '/v1/runs', { headers, body });
    return { status: answer.status, value: String(answer.body.id) };
  };
  const id = await patiently('a run', ask, [202, 200]);
  await api.bellhop.until(id, ({ status }) => status !== 'running', PATIENCE_MS);
  return id;
}
async function look(userId: string): Promise<void> {
  const ask = async () => ({
    status: (await api.call('GET', `/v1/users/${userId}/connections`)).status,
    value: null,
  });
  await patiently('the connections', ask, [200]);
}

/** Everybody looks at ten users at once, and then at the next ten. @returns the runs. */
async function everybodyLooks(): Promise<string[]> {
  const auditing = audit();
  auditing.catch(() => undefined); // told where it is awaited, if the others let it come to that
  const runs: string[] = [];
  const shuffled = users.toSorted(() => Math.random() - 0.5);
  for (let i = 0; i < shuffled.length; i += 10) {
    const actors = shuffled
      .slice(i, i + 10)
      .flatMap((user) => [
        async () => void runs.push(await run(user.userId, 'wait')),
        async () => void runs.push(await run(user.userId, 'fail')),
        async () => void runs.push(await run(user.userId, 'fail')),
        () => webhook(user),
        () => look(user.userId),
      ]);
    await Promise.all(actors.toSorted(() => Math.random() - 0.5).map((act) => act()));
  }
  await auditing;
  return runs;
}

async function untilAllTold(times: number): Promise<void> {
  for (const { userId } of users)
    await until(`${times} for ${userId}`, async () => toldOf(userId) >= times, PATIENCE_MS);
}
/** Mended elsewhere: the page of connections sees it, and the flow that was opened when it is told to look. */
async function mend(runs: readonly string[]): Promise<void> {
  await setAll('ACTIVE');
  const cancel = async (id: string) => ({
    status: (await api.call('POST', `/v1/runs/${id}/cancel`)).status,
    value: null,
  });
  await Promise.all(runs.map((id) => patiently('a cancel', () => cancel(id), [202])));
  for (const id of runs) await api.bellhop.until(id, ({ finishedAt }) => finishedAt !== null, PATIENCE_MS);
  for (const { userId } of users) await look(userId);
  const ids = users.map(({ userId }) => userId);
  expect(await asSystem(api.bellhop.db, (tx) => listOpenEpisodes(tx, ids))).toEqual([]);
}

test(
  `${USERS} users whose app breaks ${ROUNDS} times, before or while all look, are told ${ROUNDS} times`,
  async () => {
    // Some are asked late, others hear late of what they saw early: those write what is no longer so.
    for (const afterEffect of [true, false])
      await api.bellhop.sandbox.addFault({
        match: { pathPrefix: '/connected_accounts' },
        action: { type: 'latency', minMs: 0, maxMs: 1_500, seed: 7, afterEffect },
        probability: 0.4,
        seed: afterEffect ? 8 : 9,
      });
    for (let round = 1; round <= ROUNDS; round += 1) {
      const isMidway = round % 2 === 0;
      if (!isMidway) await setAll('EXPIRED');
      const looking = everybodyLooks();
      if (isMidway) {
        await pause(300);
        await setAll('EXPIRED');
      }
      const runs = await looking;
      // Who looked before the break saw none: this one sees them all, and tells nobody twice.
      await audit();
      await untilAllTold(round);
      await pause(500);
      expect(users.map(({ userId }) => toldOf(userId))).toEqual(users.map(() => round));
      await mend(runs);
    }
  },
  PATIENCE_MS * 8,
);
