/** Who may call what, for every operation of the document: no key, a bad one, one without the scope, another thing's id. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Principal, Scope } from '../../api/auth.ts';
import { createAuthenticate } from '../../api/auth.ts';
import { createStrangerLimit } from '../../api/stranger-limit.ts';
import { scripted } from '../setup/bellhop.ts';
import type { Answer, AnyBody, TestApi } from './setup/api.ts';
import { KEY, startTestApi } from './setup/api.ts';
import type { Operation } from './setup/operations.ts';
import { expectProblem, expectUnharmed, fillPath, readOperations } from './setup/operations.ts';

/** The contract's scopes. An operation that is not here fails the test: somebody must have thought about it. */
const SCOPES: Readonly<Record<string, Scope>> = {
  putUser: 'runs',
  getUser: 'runs',
  listUsers: 'runs',
  listConnections: 'runs',
  createConnection: 'runs',
  deleteConnection: 'runs',
  getConnectionFlow: 'runs',
  confirmConnection: 'runs',
  createRun: 'runs',
  listRuns: 'runs',
  getRun: 'runs',
  listRunMessages: 'runs',
  listRunEvents: 'runs',
  cancelRun: 'runs',
  decideApproval: 'operator',
  resolveToolCall: 'operator',
  createAudit: 'operator',
  listAudits: 'operator',
  getAudit: 'operator',
  cancelAudit: 'operator',
  listDeliveries: 'operator',
  retryDelivery: 'operator',
  createPortalLink: 'runs',
  createApiKey: 'admin',
  listApiKeys: 'admin',
  deleteApiKey: 'admin',
  eraseUser: 'admin',
  getErasure: 'admin',
  listAuditLog: 'admin',
};

let api: TestApi;
let operations: readonly Operation[];
/** Null: the key in the header decides. */
let scopes: Principal['scopes'] | null = null;
const byKey = createAuthenticate({ bootstrapKey: KEY });
beforeAll(async () => {
  api = await startTestApi({
    deps: {
      // Guessing is slowed down by the minute (rate-limit.test.ts); here a minute is a moment.
      limits: { keys: null, strangers: createStrangerLimit(() => performance.now() * 1e6) },
      authenticate: async (authorization) =>
        scopes === null ? byKey(authorization) : { keyId: 'test', scopes },
    },
  });
  operations = await readOperations(api);
});
afterAll(async () => {
  scopes = null;
  await expectUnharmed(api);
  await api.close();
});

const NOBODY: Readonly<Record<string, string>> = new Proxy({}, { get: () => 'nobody' });
const call = (
  operation: Operation,
  path: string,
  headers: Record<string, string | string[] | undefined> = {},
) =>
  api.call(operation.method, path, {
    headers,
    ...(operation.body === undefined ? {} : { body: operation.body }),
  });
/** What two refusals of one kind may differ in. */
const withoutInstance = ({ status, body }: Answer<AnyBody>) => ({ status, ...body, instance: '' });

describe('every operation that needs a key', () => {
  it.each<[string, string | string[] | undefined]>([
    ['no key', undefined],
    ['an empty header', ''],
    ['a blank key', 'Bearer  '],
    ['an unknown key', `Bearer ${randomUUID()}`],
    ['the right key as Basic', `Basic ${Buffer.from(`${KEY}:`).toString('base64')}`],
    ['the right key twice', [`Bearer ${KEY}`, `Bearer ${KEY}`]],
    ['a bad key and then the right one', ['Bearer bad', `Bearer ${KEY}`]],
    ['the right key with more behind it', `Bearer ${KEY}, Bearer ${KEY}`],
    ['a key of 8 kB', `Bearer ${'k'.repeat(8_000)}`],
    ['a key that is no ASCII', 'Bearer \u00e9\u00e9'],
  ])('with %s is 401, asks for a Bearer, and says the same everywhere', async (_name, authorization) => {
    scopes = null;
    const seen = new Set<string>();
    for (const operation of operations.filter(({ needsKey }) => needsKey)) {
      const answer = await call(operation, fillPath(operation, NOBODY), { authorization });
      expect([operation.id, answer.status]).toEqual([operation.id, 401]);
      expectProblem(answer, 401);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="bellhop"');
      expect(answer.text).not.toContain(KEY);
      seen.add(JSON.stringify(withoutInstance(answer)));
    }
    expect(seen.size).toBe(1);
  });

  it('is every /v1 operation, and only those', () => {
    for (const { id, path, needsKey } of operations)
      expect([id, needsKey]).toEqual([id, path.startsWith('/v1/')]);
  });

  it.each<[string, readonly Scope[]]>([
    ['no scope at all', []],
    ['runs', ['runs']],
    ['operator', ['operator']],
    ['runs and operator', ['runs', 'operator']],
  ])('with a key of %s is 403 exactly where the contract asks for another scope', async (_name, given) => {
    scopes = given;
    for (const operation of operations.filter(({ needsKey }) => needsKey)) {
      const needed = SCOPES[operation.id];
      if (needed === undefined) throw new Error(`add ${operation.id} to the table of scopes`);
      // An audit that is really started would run while other tests look; the scope decides before the body.
      const body = { ...operation, body: '{' };
      const answer = await call(
        operation.bodySchema === null ? operation : body,
        fillPath(operation, NOBODY),
      );
      expect([operation.id, answer.status === 403]).toEqual([operation.id, !given.includes(needed)]);
      if (answer.status === 403) expectProblem(answer, 403);
    }
  });

  it('lets admin in everywhere', async () => {
    scopes = ['admin'];
    for (const operation of operations.filter(
      ({ needsKey, bodySchema }) => needsKey && bodySchema !== null,
    )) {
      const answer = await call({ ...operation, body: '{' }, fillPath(operation, NOBODY));
      expect([operation.id, answer.status]).toEqual([operation.id, 400]);
    }
  });
});

/** Everything of one user that has an id, and something of each kind that is another's. */
type World = Readonly<Record<string, string>>;
async function makeWorld(userId: string): Promise<World> {
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  const account = await api.bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const flow = (await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'gmail' } })).body;
  const task = scripted([
    { toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'hi' } }] },
    { content: 'Done.' },
  ]);
  const body = { userId, task, tools: ['SLACK_SEND_MESSAGE'], approvals: { require: 'writes' } };
  const { id } = (await api.call('POST', '/v1/runs', { body })).body;
  const run = (await api.call('GET', `/v1/runs/${id}?wait=30s`)).body;
  expect(run.status).toBe('waiting_for_approval');
  return {
    userId,
    accountId: account.id,
    flowId: flow.flowId,
    runId: id,
    toolCallId: run.toolCalls[0].id,
    threadId: run.threadId,
  };
}

/** Ids that name nothing of the kind asked for, each in its own way. */
const STRANGE = [
  '00000000-0000-0000-0000-000000000000',
  'null',
  'undefined',
  '0',
  '-1',
  '[object Object]',
  "' or '1'='1",
  '%',
  '*',
  '../users',
  'a\u202eb',
  'a\u200bb',
  '\ud83d\ude00',
  'x'.repeat(1_000),
];

describe('every operation with an id in its path', () => {
  it('answers 404 for what is unknown and for what is another kind’s or another user’s, with one body, and changes nothing', async () => {
    scopes = ['admin'];
    const alice = await makeWorld('alice');
    const bob = await makeWorld('bob');
    const audit = (await api.call('POST', '/v1/audits', { body: {} })).body;
    const known: World = { ...alice, auditId: audit.id, deliveryId: randomUUID() };
    const before = await snapshot(bob);
    let asked = 0;
    for (const operation of operations.filter(({ needsKey }) => needsKey)) {
      const names = operation.parameters.filter((p) => p.in === 'path').map((p) => p.name);
      for (const name of names) {
        if (operation.id === 'putUser') continue; // makes what is unknown
        const foreign = Object.entries(bob).flatMap(([kind, value]) => (kind === name ? [] : [value]));
        // Bob's account under Alice's name: known, and not hers.
        const others = names.includes('userId') && name !== 'userId' ? [bob[name] ?? ''] : [];
        const seen = new Set<string>();
        for (const value of [...STRANGE, ...foreign, ...others]) {
          const answer = await call(operation, fillPath(operation, { ...known, [name]: value }));
          expect([operation.id, name, value, answer.status]).toEqual([operation.id, name, value, 404]);
          expectProblem(answer, 404);
          seen.add(JSON.stringify(withoutInstance(answer)));
          asked += 1;
        }
        expect([operation.id, name, seen.size]).toEqual([operation.id, name, 1]);
      }
    }
    expect(asked).toBeGreaterThan(250);
    expect(await snapshot(bob)).toEqual(before);
    expect(await snapshot(alice)).toMatchObject({ accounts: [{ status: 'ACTIVE' }] });
  });

  async function snapshot(of: World) {
    const run = (await api.call('GET', `/v1/runs/${of['runId']}`)).body;
    const flow = (await api.call('GET', `/v1/connections/${of['flowId']}`)).body;
    const userId = of['userId'] ?? '';
    const accounts = (await api.bellhop.sandbox.accounts({ userId })).map(({ id, status }) => ({
      id,
      status,
    }));
    return { run, flow, accounts, effects: (await api.bellhop.sandbox.journal({ userId })).length };
  }
});

describe('what one user names of another’s', () => {
  it('is not joined: a thread id of another user is a thread of one’s own', async () => {
    scopes = ['admin'];
    const carol = await makeWorld('carol');
    await api.call('PUT', '/v1/users/dave', { body: {} });
    const body = { userId: 'dave', task: 'Hi.', tools: ['SLACK_SEND_MESSAGE'], threadId: carol['threadId'] };
    const answer = await api.call('POST', '/v1/runs', { body });
    // Carol's run is active in her thread: Dave's would be 409 if it were the same one.
    expect(answer.status).toBe(202);
    const messages = (await api.call('GET', `/v1/runs/${answer.body.id}/messages`)).text;
    expect(messages).not.toContain('SLACK_SEND_MESSAGE"');
  });

  it('is not shown by a list: a cursor of one run’s events does not page another’s', async () => {
    scopes = ['admin'];
    const [eve, frank] = [await makeWorld('eve'), await makeWorld('frank')];
    const { nextCursor } = (await api.call('GET', `/v1/runs/${eve['runId']}/events?limit=1`)).body;
    expect(nextCursor).toEqual(expect.any(String));
    expect((await api.call('GET', `/v1/runs/${eve['runId']}/events?cursor=${nextCursor}`)).status).toBe(200);
    expectProblem(await api.call('GET', `/v1/runs/${frank['runId']}/events?cursor=${nextCursor}`), 400);
    const { body } = await api.call('GET', `/v1/runs?userId=frank&limit=100`);
    expect(body.items.map((run: AnyBody) => run.userId)).toEqual(['frank']);
  });
});
