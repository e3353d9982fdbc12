import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Principal } from '../../api/auth.ts';
import { ROUTES } from '../../api/routes.ts';
import { scripted } from '../setup/bellhop.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

let api: TestApi;
let scopes: Principal['scopes'] = ['admin'];
beforeAll(async () => {
  api = await startTestApi({
    deps: {
      authenticate: async () => ({ keyId: 'test', scopes }),
      readiness: {
        check: () => Promise.reject(new Error('secret words of an error')),
        close: () => undefined,
      },
    },
  });
});
afterAll(async () => await api.close());

const fill = (path: string) => path.replaceAll(/\{\w+\}/g, 'nothing');

describe('a key with scope runs', () => {
  it('is 403 on every route of an operator or an admin, whatever is sent, and on no other', async () => {
    scopes = ['runs'];
    for (const route of ROUTES.filter(({ path }) => path.startsWith('/v1/'))) {
      const answer = await api.call(route.method.toUpperCase(), fill(route.path));
      const expected = route.scope === 'operator' || route.scope === 'admin';
      expect([route.operationId, answer.status === 403]).toEqual([route.operationId, expected]);
      if (expected) expect(answer.body.code).toBe('forbidden');
    }
  });

  it('sees which tools ran, but neither their arguments nor their results; an operator sees them', async () => {
    scopes = ['runs'];
    await api.call('PUT', '/v1/users/alice', { body: {} });
    await api.bellhop.sandbox.seedAccount({ userId: 'alice', app: 'slack' });
    const task = scripted([
      {
        toolCalls: [{ name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', text: 'in-arguments' } }],
      },
      { content: 'Sent.' },
    ]);
    const { id } = (
      await api.call('POST', '/v1/runs', { body: { userId: 'alice', task, tools: ['SLACK_SEND_MESSAGE'] } })
    ).body;
    await api.bellhop.ended(id);
    const paths = [`/v1/runs/${id}`, '/v1/runs?userId=alice', `/v1/runs/${id}/messages`];
    for (const path of paths) {
      const { body } = await api.call('GET', path);
      // The task itself holds the words here, and is the caller's own.
      const shown = JSON.stringify(body, (key, value: unknown) =>
        key === 'task' || key === 'content' ? '' : value,
      );
      expect(shown).toContain('SLACK_SEND_MESSAGE');
      expect(shown).not.toMatch(/in-arguments|"arguments"|"result"/);
    }
    scopes = ['runs', 'operator'];
    for (const path of [`/v1/runs/${id}`, `/v1/runs/${id}/messages`]) {
      expect((await api.call('GET', path)).text).toMatch(
        /"arguments".*in-arguments|in-arguments.*"arguments"/,
      );
    }
    // A list leaves them out for everybody, for they can be large.
    const [listed] = (await api.call('GET', '/v1/runs?userId=alice')).body.items;
    expect(Object.keys(listed.toolCalls[0])).not.toContain('arguments');
  });
});

describe('a key with scope operator only', () => {
  it('is 403 on the routes of runs', async () => {
    scopes = ['operator'];
    expect((await api.call('GET', '/v1/runs')).status).toBe(403);
    expect((await api.call('GET', '/v1/audits')).status).toBe(200);
  });
});

describe('an unexpected error', () => {
  it('is a bare 500 to the caller and a full line in the log, under one id', async () => {
    const answer = await api.call('GET', '/readyz');
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({
      type: 'urn:bellhop:problem:internal',
      title: 'Something went wrong here',
      detail: 'Something went wrong here.',
      status: 500,
      code: 'internal',
      instance: answer.headers['x-request-id'],
      errors: [],
    });
    const line = api
      .logged()
      .split('\n')
      .find((text) => text.includes('secret words'));
    expect(line).toContain(answer.body.instance);
    expect(line).toContain('stack');
  });
});
