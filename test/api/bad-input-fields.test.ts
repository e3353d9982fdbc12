/** Values that no field may take, put into every field and every query parameter of every operation of the document. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import type { Operation, Spot } from './setup/operations.ts';
import {
  expectProblem,
  expectUnharmed,
  fillPath,
  leavesOf,
  putAt,
  readOperations,
} from './setup/operations.ts';

let api: TestApi;
let operations: readonly Operation[];
beforeAll(async () => {
  api = await startTestApi({ noWorker: true });
  operations = await readOperations(api);
  await api.call('PUT', '/v1/users/alice', { body: {} });
});
afterAll(async () => {
  await expectUnharmed(api);
  await api.close();
});

const NAMES: Readonly<Record<string, string>> = new Proxy({}, { get: () => 'alice' });

/** Every place in a body where the document knows a value. */
function bodySpots(): { operation: Operation; spot: Spot }[] {
  return operations.flatMap((operation) =>
    operation.bodySchema === null ? [] : leavesOf(operation.bodySchema).map((spot) => ({ operation, spot })),
  );
}
const sendBody = (operation: Operation, body: unknown) =>
  api.call(operation.method, fillPath(operation, NAMES), { body });

describe('every field of every body', () => {
  it('is found: the table is not empty, and has the fields that matter', () => {
    const names = bodySpots().map(({ operation, spot }) => `${operation.id}/${spot.at.join('/')}`);
    for (const name of [
      'createRun/task',
      'createRun/tools/0',
      'createRun/limits/maxTurns',
      'createRun/metadata/anything',
      'putUser/displayName',
      'createConnection/app',
      'confirmConnection/code',
      'createAudit/mode',
      'decideApproval/reason',
      'resolveToolCall/resolver',
    ])
      expect(names).toContain(name);
    expect(names.length).toBeGreaterThan(30);
  });

  it.each<[string, string]>([
    ['a NUL', 'a\0b'],
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00b'],
    ['surrogates the wrong way round', '\udc00\ud800'],
  ])('with %s is 400, and the answer does not repeat it', async (_name, text) => {
    for (const { operation, spot } of bodySpots()) {
      const answer = await sendBody(operation, putAt(operation.body, spot.at, text));
      expect([operation.id, spot.at, answer.status]).toEqual([operation.id, spot.at, 400]);
      expectProblem(answer, 400);
      expect(answer.body.errors[0].at).toBe(['body', ...spot.at].join('/'));
    }
  });

  it.each<[string, unknown]>([
    ['an object', {}],
    ['a list of lists', [[]]],
  ])('that is no container is 400 with %s instead', async (_name, value) => {
    for (const { operation, spot } of bodySpots()) {
      if (spot.at.includes('anything') || spot.at.at(-1) === 'result') continue; // takes any JSON
      const answer = await sendBody(operation, putAt(operation.body, spot.at, value));
      // A list may stand where a list is one of two choices; its inner list may not.
      expect([operation.id, spot.at, answer.status]).toEqual([operation.id, spot.at, 400]);
    }
  });

  it('that is a string is 400 with a number, true or false instead, and the other way round', async () => {
    for (const { operation, spot } of bodySpots()) {
      if (spot.at.includes('anything') || spot.at.at(-1) === 'result') continue;
      for (const wrong of spot.type === 'string'
        ? [1, true]
        : spot.type === 'boolean'
          ? ['true', 1]
          : ['1', true]) {
        const answer = await sendBody(operation, putAt(operation.body, spot.at, wrong));
        expect([operation.id, spot.at, wrong, answer.status]).toEqual([operation.id, spot.at, wrong, 400]);
      }
    }
  });

  it('is the only kind: an unknown one beside it is 400, at every depth', async () => {
    for (const { operation, spot } of bodySpots()) {
      if (spot.at.includes('anything') || spot.at.at(-1) === 'result') continue;
      const at = [...spot.at.slice(0, -1), 'notAField'];
      if (typeof spot.at.at(-1) === 'number') continue;
      const answer = await sendBody(operation, putAt(operation.body, at, 1));
      expect([operation.id, at, answer.status]).toEqual([operation.id, at, 400]);
    }
  });

  it.each(['null', '[]', '"text"', '0', 'true', '{'])('of a body that is %s is missed: 400', async (body) => {
    for (const operation of operations.filter(({ bodySchema }) => bodySchema !== null)) {
      const answer = await sendBody(operation, body);
      expect([operation.id, answer.status]).toEqual([operation.id, 400]);
      expectProblem(answer, 400);
    }
  });
});

describe('a number', () => {
  const limits = (text: string, headers: Record<string, string> = {}) =>
    api.call('POST', '/v1/runs', {
      headers,
      body: `{"userId":"alice","task":"x","tools":["SLACK_SEND_MESSAGE"],"limits":{"maxTurns":${text}}}`,
    });
  it.each([
    '-1',
    '0',
    '-0',
    '1.5',
    '1e400',
    '-1e400',
    '9007199254740993',
    '1e3',
    '201',
    '"1"',
    'true',
    'null',
    '[1]',
    '{}',
    '01',
    '+1',
    '.5',
    '1.',
    '0x10',
    'NaN',
    'Infinity',
    '1_000',
    '١',
  ])('of %s, where one from 1 to 200 is wanted, is 400', async (text) =>
    expectProblem(await limits(text), 400),
  );

  it('that JSON writes in another way is the same number', async () => {
    const answer = await limits('2e1', { prefer: 'respond-async' });
    expect(answer.status).toBe(202);
    await api.call('POST', `/v1/runs/${answer.body.id}/cancel`);
  });
});

describe('every parameter in a query', () => {
  const inQuery = () =>
    operations.flatMap((operation) =>
      operation.parameters.filter((p) => p.in === 'query').map(({ name }) => ({ operation, name })),
    );
  const ask = (operation: Operation, query: string) =>
    api.call(
      operation.method,
      `${fillPath(operation, NAMES)}?${query}`,
      operation.body === undefined ? {} : { body: operation.body },
    );

  it.each<[string, (name: string) => string]>([
    ['a NUL', (name) => `${name}=%00`],
    ['half a character', (name) => `${name}=%ed%a0%80`],
    ['percent signs that encode nothing', (name) => `${name}=%`],
    ['a second value', (name) => `${name}=1&${name}=1`],
    [
      'a second value under an escaped name',
      (name) => `${name}=1&%${name.charCodeAt(0).toString(16)}${name.slice(1)}=1`,
    ],
  ])('with %s is 400', async (_name, queryOf) => {
    expect(inQuery().length).toBeGreaterThan(10);
    for (const { operation, name } of inQuery()) {
      const answer = await ask(operation, queryOf(name));
      expect([operation.id, name, answer.status]).toEqual([operation.id, name, 400]);
      if (operation.needsKey) expectProblem(answer, 400);
    }
  });

  it('written in another case, as a list, as an object or unknown is 400; pages of browsers let more pass, unread', async () => {
    for (const { operation, name } of inQuery()) {
      for (const query of [
        `${name.toUpperCase()}=1`,
        `${name}[]=1`,
        `${name}[a]=1`,
        `x-${name}=1`,
        'constructor=1',
        '__proto__=1',
        '__proto__[a]=1',
      ]) {
        const answer = await ask(operation, query);
        const isPage = !operation.needsKey;
        expect([operation.id, query, answer.status]).toEqual([
          operation.id,
          query,
          isPage ? answer.status : 400,
        ]);
        if (isPage) expect([200, 302, 400]).toContain(answer.status);
      }
    }
  });

  it.each([
    '0',
    '-1',
    '-0',
    '101',
    '1000000000',
    '99999999999999999999',
    '1.0',
    '1e1',
    '0x1',
    ' 1',
    '1 ',
    '+1',
    '٣',
    'NaN',
    'null',
    '',
  ])('called limit of %j is 400, in every list', async (limit) => {
    const lists = inQuery().filter(({ name }) => name === 'limit');
    expect(lists.length).toBeGreaterThanOrEqual(6);
    for (const { operation } of lists) {
      const answer = await ask(operation, `limit=${encodeURIComponent(limit)}`);
      expect([operation.id, answer.status]).toEqual([operation.id, 400]);
    }
  });

  it('called cursor that is none of this list’s is 400, in every list', async () => {
    for (const name of ['p1', 'p2', 'p3']) await api.call('PUT', `/v1/users/${name}`, { body: {} });
    const { nextCursor } = (await api.call('GET', '/v1/users?limit=1')).body;
    for (const { operation } of inQuery().filter(({ name }) => name === 'cursor')) {
      const odd = [
        'x',
        'null',
        '-1',
        'e30',
        'W10',
        '../..',
        "' or 1=1",
        'A'.repeat(400),
        'A'.repeat(401),
        `${nextCursor} `,
      ];
      for (const cursor of operation.id === 'listUsers' ? odd : [...odd, nextCursor]) {
        const answer = await ask(operation, `cursor=${encodeURIComponent(cursor)}`);
        expect([operation.id, cursor, answer.status]).toEqual([operation.id, cursor, 400]);
      }
    }
  });

  it.each([
    '61s',
    '1m1s',
    '-1s',
    '1',
    '1.5s',
    '30 s',
    '30S',
    '',
    's',
    '2m',
    '1h',
    '99999999999s',
    '1e1s',
    '60001ms',
    '٣s',
  ])('called wait of %j is 400', async (wait) =>
    expectProblem(await api.call('GET', `/v1/runs/x?wait=${encodeURIComponent(wait)}`), 400),
  );

  it.each(['0s', '60s', '60000ms', '1m'])(
    'called wait of %j is a wait: the run is looked for',
    async (wait) => {
      expectProblem(await api.call('GET', `/v1/runs/x?wait=${wait}`), 404);
    },
  );
});
