/** What a callback reads back from Composio decides: another owner, another app, not ACTIVE, disabled: nothing is signalled. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '../api/setup/api.ts';
import { type AttackStage, type Click, createStage } from './stage.ts';

const NEVER_MS = 600_000;

let api: TestApi;
let stage: AttackStage;
beforeAll(async () => {
  api = await startTestApi({ settings: { pollIntervalMs: NEVER_MS, callbackGraceMs: NEVER_MS } });
  stage = createStage(api);
});
afterAll(() => api.close());
afterEach(() => api.bellhop.sandbox.clearFaults());

describe('an account that comes back from Composio as something else', () => {
  const wire = (click: Click, changes: object) => ({
    id: click.accountId,
    user_id: click.target.userId,
    status: 'ACTIVE',
    status_reason: null,
    toolkit: { slug: click.target.app },
    auth_config: { id: 'ac_1', is_disabled: false },
    is_disabled: false,
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z',
    ...changes,
  });
  /** What a callback reads back; the flow's workflow, which reads lists, has looked before. */
  const swap = async (click: Click, changes: object): Promise<void> => {
    await stage.lookedAt(click.target);
    const match = { route: 'accounts.get', userId: click.target.userId };
    const action = { type: 'status', status: 200, body: wire(click, changes) } as const;
    await api.bellhop.sandbox.addFault({ match, action });
  };

  test.each<[string, object]>([
    ['of another owner', { user_id: 'somebody-else' }],
    ['of an owner that differs in case only', { user_id: 'U-' }],
    ['of another app', { toolkit: { slug: 'gmail' } }],
  ])('%s is refused, nothing is signalled', async (_, changes) => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    await swap(click, changes);
    const page = await stage.visit(click.browser, callback);
    expect([page.status, page.location]).toEqual([400, null]);
    await stage.expectHarmless(target, [[click, 'failed', 'account_mismatch']]);
    // It may well be somebody's: not ours to delete.
    if ('user_id' in changes) expect(await stage.accountsOf(target)).toEqual([click.accountId]);
  });

  test.each(['EXPIRED', 'FAILED', 'REVOKED', 'INACTIVE', 'SOMETHING_NEW'])(
    'as %s is refused',
    async (status) => {
      const target = await stage.target();
      const click = await stage.click(target);
      const callback = await stage.consent(click);
      await swap(click, { status });
      const page = await stage.visit(click.browser, callback);
      expect([page.status, page.text.includes('was not connected')]).toEqual([200, true]);
      await stage.expectHarmless(target, [[click, 'failed', 'denied']]);
    },
  );

  test.each<[string, object]>([
    ['not finished', { status: 'INITIATED' }],
    ['ACTIVE but disabled', { is_disabled: true }],
  ])('as %s is not accepted: the page says "finishing"', async (_, changes) => {
    const target = await stage.target();
    const click = await stage.click(target);
    const callback = await stage.consent(click);
    await swap(click, changes);
    const page = await stage.visitOnce(click.browser, callback);
    expect([page.status, page.text.includes('Finishing')]).toEqual([200, true]);
    await stage.expectHarmless(target, [[click, 'verified', null]]);
  });
});
