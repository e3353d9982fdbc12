import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';
import { startSettled } from './setup/settled-run.ts';
import { until } from '../setup/until.ts';
import { createBrowser } from './setup/browser.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({
    settings: { verifierMode: true },
    connect: { verifierUrl: 'https://app.example/verify?from=bellhop' },
  });
});
afterAll(async () => await api.close());

async function comeBackOnce() {
  const userId = `u-${randomUUID()}`;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  const run = await startSettled(api, { userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] });
  const browser = createBrowser();
  const go = await browser.get(`${run.waitingFor[0].connectUrl}/go`);
  const { location } = await api.bellhop.sandbox.consent(go.location ?? '', 'approve');
  const page = await browser.visit(location ?? '');
  return { userId, run, page, browser, callback: location ?? '', at: new URL(page.location ?? 'x:') };
}
/** On a busy machine polling may have given up a consent before its browser is back; then somebody else tries. */
const comeBack = () =>
  until('somebody to come back before polling looks', async () => {
    const back = await comeBackOnce();
    if (back.page.location !== null) return back;
    const { flowId } = (
      await api.call('POST', `/v1/users/${back.userId}/connections`, { body: { app: 'slack' } })
    ).body;
    expect((await flowOf(flowId)).lastAttempt.reason).toBe('callback_lost');
    return null;
  });
const confirm = (flowId: string | null, body: object) =>
  api.call('POST', `/v1/connections/${flowId}/confirm`, { body });
const flowOf = async (flowId: string | null) => (await api.call('GET', `/v1/connections/${flowId}`)).body;

describe('with a verifier', () => {
  it('the callback leads there, nothing resumes before its server confirms, and then the run acts', async () => {
    const { userId, run, page, at } = await comeBack();
    expect(page.status).toBe(302);
    expect(at.origin + at.pathname).toBe('https://app.example/verify');
    expect([...at.searchParams.keys()]).toEqual(['from', 'flow', 'code']);
    const [flowId, code] = [at.searchParams.get('flow'), at.searchParams.get('code')];
    await sleep(1_500); // several polls of the flow's workflow, and more than the callback grace
    expect(await flowOf(flowId)).toMatchObject({
      status: 'open',
      lastAttempt: { status: 'awaiting_confirm' },
    });
    expect((await api.call('GET', `/v1/runs/${run.id}`)).body.status).toBe('waiting_for_connection');
    const confirmed = await confirm(flowId, { userId, code });
    expect(confirmed.status).toBe(200);
    expect(confirmed.body).toMatchObject({ flowId, status: 'completed' });
    expect((await api.bellhop.ended(run.id)).status).toBe('completed');
  });

  it('a code works once, and a wrong one not at all', async () => {
    const { userId, at } = await comeBack();
    const [flowId, code] = [at.searchParams.get('flow'), at.searchParams.get('code')];
    for (const bad of ['', 'wrong', `${code}x`]) {
      expect((await confirm(flowId, { userId, code: bad })).body.code).toBe('code_invalid');
    }
    expect((await flowOf(flowId)).status).toBe('open');
    const answers = await Promise.all([confirm(flowId, { userId, code }), confirm(flowId, { userId, code })]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409]);
    expect((await confirm(flowId, { userId, code })).status).toBe(409);
    expect((await confirm('nothing', { userId, code })).status).toBe(404);
  });

  it('a code of one flow does not confirm another', async () => {
    const [a, b] = [await comeBack(), await comeBack()];
    const answer = await confirm(b.at.searchParams.get('flow'), {
      userId: b.userId,
      code: a.at.searchParams.get('code'),
    });
    expect([answer.status, answer.body.code]).toEqual([409, 'code_invalid']);
  });

  it('another user ends the attempt and its account is deleted, while the flow and its link live on', async () => {
    const { userId, at } = await comeBack();
    const [flowId, code] = [at.searchParams.get('flow'), at.searchParams.get('code')];
    const answer = await confirm(flowId, { userId: 'somebody-else', code });
    expect([answer.status, answer.body.code]).toEqual([409, 'user_mismatch']);
    expect(await flowOf(flowId)).toMatchObject({
      status: 'open',
      connectUrl: expect.any(String),
      lastAttempt: { status: 'failed', reason: 'user_mismatch' },
    });
    expect(await api.bellhop.sandbox.accounts({ userId })).toEqual([]);
    expect((await confirm(flowId, { userId, code })).body.code).toBe('code_invalid');
  });

  it('a callback from another browser never gets a code', async () => {
    const userId = `u-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    const flow = (await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } })).body;
    const go = await createBrowser().get(`${flow.connectUrl}/go`);
    const { location } = await api.bellhop.sandbox.consent(go.location ?? '', 'approve');
    expect((await createBrowser().get(location ?? '')).status).toBe(400);
    await expect.poll(() => api.bellhop.sandbox.accounts({ userId })).toEqual([]);
  });

  it('a consent found only by polling is not accepted: its account is deleted and the user clicks again', async () => {
    const userId = `u-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    const flow = (await api.call('POST', `/v1/users/${userId}/connections`, { body: { app: 'slack' } })).body;
    const go = await createBrowser().get(`${flow.connectUrl}/go`);
    await api.bellhop.sandbox.consent(go.location ?? '', 'approve');
    await expect.poll(() => api.bellhop.sandbox.accounts({ userId })).toEqual([]);
    await expect
      .poll(() => flowOf(flow.flowId))
      .toMatchObject({ status: 'open', lastAttempt: { reason: 'callback_lost' } });
  });
});
