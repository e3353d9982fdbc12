import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LINKS } from '../../api/links.ts';
import { ROUTES } from '../../api/routes.ts';
import { PROBLEMS } from '../../api/problem-codes.ts';
import type { AnyBody, TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { createAnswerCheck } from './setup/check-answer.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ noWorker: true });
});
afterAll(async () => await api.close());

/** The contract's routes of the main job. */
const CONTRACT = [
  'PUT /v1/users/{userId}',
  'GET /v1/users/{userId}',
  'GET /v1/users',
  'GET /v1/users/{userId}/connections',
  'POST /v1/users/{userId}/connections',
  'POST /v1/users/{userId}/portal-links',
  'DELETE /v1/users/{userId}/connections/{accountId}',
  'GET /v1/connections/{flowId}',
  'POST /v1/connections/{flowId}/confirm',
  'GET /connect/{token}',
  'GET /connect/{token}/go',
  'GET /oauth/callback/{attemptId}',
  'POST /v1/runs',
  'GET /v1/runs',
  'GET /v1/runs/{runId}',
  'GET /v1/runs/{runId}/messages',
  'GET /v1/runs/{runId}/events',
  'POST /v1/runs/{runId}/cancel',
  'POST /v1/runs/{runId}/approvals/{toolCallId}',
  'POST /v1/runs/{runId}/tool-calls/{toolCallId}/resolution',
  'POST /v1/audits',
  'GET /v1/audits',
  'GET /v1/audits/{auditId}',
  'POST /v1/audits/{auditId}/cancel',
  'GET /v1/deliveries',
  'POST /v1/deliveries/{deliveryId}/retry',
  'POST /v1/webhooks/composio',
  'POST /v1/api-keys',
  'GET /v1/api-keys',
  'DELETE /v1/api-keys/{keyId}',
  'GET /v1/audit-log',
  'DELETE /v1/users/{userId}',
  'GET /v1/erasures/{erasureId}',
  'GET /healthz',
  'GET /readyz',
];

describe('/openapi.json', () => {
  it('is OpenAPI 3.1 and has exactly the routes that exist', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    expect(body.openapi).toMatch(/^3\.1\./);
    const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual(CONTRACT.toSorted());
    expect(documented).toHaveLength(ROUTES.length);
  });

  it('names every operation once, and every path parameter', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    const operations = Object.entries(
      body.paths as Record<string, Record<string, Record<string, unknown>>>,
    ).flatMap(([path, item]) => Object.values(item).map((operation) => ({ path, operation })));
    const ids = operations.map(({ operation }) => operation['operationId']);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const parameters = (operation['parameters'] ?? []) as { name: string; in: string }[];
      expect(parameters.filter((p) => p.in === 'path').map((p) => p.name)).toEqual(named);
    }
  });

  it('asks for a key on every /v1 route and on no other', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    for (const [path, item] of Object.entries(
      body.paths as Record<string, Record<string, { security: unknown[] }>>,
    )) {
      for (const operation of Object.values(item)) {
        expect([path, operation.security.length > 0]).toEqual([path, path.startsWith('/v1/')]);
      }
    }
  });

  it('describes bodies as strict: an unknown property is refused by the document too', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    const schemas = body.components.schemas as Record<string, { additionalProperties?: boolean }>;
    for (const name of ['NewRun', 'Run', 'User', 'Flow', 'Connection', 'Audit', 'Delivery']) {
      expect([name, schemas[name]?.additionalProperties]).toEqual([name, false]);
    }
    for (const name of Object.keys(schemas)) expect(name).not.toMatch(/Output$|^__/);
  });
});

describe('the check of answers against the document', () => {
  it('can fail: a wrong status, media type, missing member or extra member is told', async () => {
    const { body: document } = await api.call('GET', '/openapi.json');
    const check = createAnswerCheck(document);
    const user = (await api.call('PUT', '/v1/users/check', { body: {} })).body;
    const seen = {
      method: 'PUT',
      path: '/v1/users/check',
      status: 201,
      contentType: 'application/json',
      body: user,
    };
    expect(() => check(seen)).not.toThrow();
    expect(() => check({ ...seen, status: 418 })).toThrow('does not know this status');
    expect(() => check({ ...seen, contentType: 'text/plain' })).toThrow('not in the document');
    expect(() => check({ ...seen, body: { ...user, extra: 1 } })).toThrow('additional properties');
    expect(() => check({ ...seen, body: { ...user, createdAt: 'yesterday' } })).toThrow('date-time');
    expect(() => check({ ...seen, body: {} })).toThrow('required');
  });
});

describe('/docs', () => {
  it('shows every operation, parameter and problem code, with no script and no other host', async () => {
    const { status, headers, text } = await api.call('GET', '/docs');
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    for (const route of ROUTES) {
      expect(text).toContain(`id="${route.operationId}"`);
      expect(text).toContain(`<code>${route.path}</code>`);
    }
    for (const code of Object.keys(PROBLEMS)) expect(text).toContain(`<code>${code}</code>`);
    expect(text).not.toMatch(/<script|javascript:|\son\w+="| style="/);
    const addresses = [...text.matchAll(/(?:href|src)="([^"]*)"/g)].map((match) => match[1] ?? '');
    expect(addresses.length).toBeGreaterThan(30);
    for (const address of addresses) expect(address).toMatch(/^[/#]/);
  });

  it('links only to places that exist on the page', async () => {
    const { text } = await api.call('GET', '/docs');
    const ids = new Set([...text.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]));
    for (const [, target] of text.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target);
  });

  it('has a curl command for each operation that a shell can read', async () => {
    const { text } = await api.call('GET', '/docs');
    expect(text.match(/curl /g)?.length).toBeGreaterThanOrEqual(ROUTES.length);
    expect(text).toContain('Authorization: Bearer $BELLHOP_API_KEY');
    expect(text).toContain('SLACK_SEND_MESSAGE');
  });

  it('is styled by a sheet of its own', async () => {
    const sheet = await api.call('GET', '/assets/bellhop.css');
    expect([sheet.status, sheet.headers['content-type']]).toEqual([200, 'text/css; charset=utf-8']);
    expect(sheet.text).not.toMatch(/url\(|@import/);
  });
});

describe('the links of the document', () => {
  it('name operations and parameters that exist, and start at answers that exist', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    const operations = new Map(
      Object.values(body.paths as Record<string, Record<string, AnyBody>>)
        .flatMap((item) => Object.values(item))
        .map((operation) => [operation.operationId as string, operation]),
    );
    let count = 0;
    for (const [from, statuses] of Object.entries(LINKS)) {
      for (const [status, links] of Object.entries(statuses)) {
        expect([from, status, operations.get(from)?.responses[status]?.links]).toEqual([from, status, links]);
        for (const { operationId, parameters = {}, requestBody } of Object.values(links)) {
          const target = operations.get(operationId);
          const known = ((target?.parameters ?? []) as { name: string }[]).map(({ name }) => name);
          for (const name of Object.keys(parameters))
            expect([operationId, known]).toEqual([operationId, expect.arrayContaining([name])]);
          if (requestBody) expect(target?.requestBody).toBeDefined();
          count += 1;
        }
      }
    }
    expect(count).toBeGreaterThan(30);
  });
});
