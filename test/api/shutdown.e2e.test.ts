/** SIGTERM to an API process: not ready, then no longer accepting, then drained, then closed, in this order. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ApiProcess, startApiProcess } from '../setup/api-process.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';

let bellhop: TestBellhop;
let api: ApiProcess | undefined;
beforeAll(async () => {
  bellhop = await startTestBellhop({ noWorker: true });
});
afterEach(() => api?.kill());
afterAll(() => bellhop?.close());

test('goes on accepting while it is not ready, then refuses, finishes what runs, and exits with 0', async () => {
  const [userId, other] = [`u-${randomUUID()}`, `u-${randomUUID()}`];
  // Long enough for a few probes on a busy machine.
  api = await startApiProcess(bellhop, { env: { API_SHUTDOWN_DELAY: '8s' } });
  const { call } = api;
  expect((await call('PUT', `/v1/users/${userId}`, { body: {} })).status).toBe(201);
  const barrier = randomUUID();
  await bellhop.sandbox.addFault({
    match: { route: 'accounts.list', userId },
    action: { type: 'hold', barrier },
  });
  const running = call('GET', `/v1/users/${userId}/connections`);
  await bellhop.sandbox.waitForBarrier(barrier);

  api.signal('SIGTERM');
  const probe = await until('not ready', async () => {
    const answer = await call('GET', '/readyz');
    return answer.status === 503 ? answer : null;
  });
  expect(probe.body).toMatchObject({ ready: false, postgres: 'up', temporal: 'up' });
  // Alive, and a request that was on its way to it is served.
  expect((await call('GET', '/healthz')).status).toBe(200);
  expect((await call('PUT', `/v1/users/${other}`, { body: {} })).status).toBe(201);

  await until('the port closed', () =>
    call('GET', '/healthz').then(
      () => false,
      (error: unknown) => (error as { code?: string }).code === 'ECONNREFUSED',
    ),
  );
  await bellhop.sandbox.releaseBarrier(barrier);
  expect((await running).status).toBe(200);
  expect(await api.exited, api.output()).toBe(0);
  expect(api.output()).not.toMatch(/"level":(50|60)/);
});
