/** The console in a real browser: the demo's story, what a person decides, long runs, empty and full lists. */
import { randomUUID } from 'node:crypto';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { appendEvents } from '../../db/events.ts';
import { asSystem } from '../../db/scope.ts';
import { KEY } from '../api/setup/api.ts';
import { scripted } from '../setup/bellhop.ts';
import { until } from '../setup/until.ts';
import { expectGood, PAGE_TEST_MS, tabTo } from './setup/browser.ts';
import { expectStill } from './setup/shifts.ts';
import { type ConsoleStage, isNow, startConsole, TEMPORAL_UI } from './setup/console.ts';

vi.setConfig({ testTimeout: PAGE_TEST_MS });

let stage: ConsoleStage;
beforeAll(async () => {
  stage = await startConsole();
});
afterAll(() => stage.close());
afterEach(async () => expect(await stage.browser.finish()).toEqual([]));

const heading = (page: Page, name: string) => page.getByRole('heading', { name, exact: true });
const WRITE = { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } };
const TOOLS = ['SLACK_SEND_MESSAGE'];

/** Who is said to have decided, in the log of what operators did. */
async function deciders(userId: string): Promise<(string | null)[]> {
  const rows = await asSystem(stage.api.bellhop.db, (tx) =>
    tx
      .selectFrom('audit_log_people')
      .select('actor')
      .where('user_id', '=', userId)
      .where('actor', 'is not', null)
      .execute(),
  );
  return rows.map(({ actor }) => actor);
}

describe('a newcomer', () => {
  it('signs in by keyboard, is told what each empty list is for, and of a wrong key what to do', async () => {
    const { page, context } = await stage.browser.person();
    await page.goto(`${stage.api.url}/console/deliveries`);
    await heading(page, 'Console').waitFor();
    await expectGood(page, 'sign in');
    await tabTo(page, 'API key');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('This key is not known').waitFor();
    await page.getByLabel('API key').fill('');
    await page.keyboard.type(KEY);
    await page.keyboard.press('Enter');
    // The address that was asked for is the one that is shown.
    await heading(page, 'Nothing was sent yet').waitFor();
    await expectGood(page, 'deliveries, empty');
    for (const [name, empty] of [
      ['Audits', 'No audit yet'],
      ['Users', 'No users yet'],
      ['Runs', 'No runs yet'],
    ] as const) {
      await tabTo(page, new RegExp(`^${name}$`));
      await page.keyboard.press('Enter');
      await heading(page, empty).waitFor();
      await expectGood(page, `${name}, empty`);
    }
    await page.reload();
    await heading(page, 'No runs yet').waitFor();
    expect(await page.title()).toBe('Runs · Bellhop');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    await page.goBack();
    await page.getByLabel('API key').waitFor();
    await context.close();
  });

  it('tries it: types a task, consents in another tab, and sees the run complete without a reload', async () => {
    const userId = `alice-${randomUUID().slice(0, 8)}`;
    const page = await stage.signedIn();
    await heading(page, 'Try it').waitFor();
    await expectGood(page, 'try it');
    await page.getByLabel('User', { exact: true }).fill(userId);
    await page.getByRole('button', { name: 'Start the run' }).dblclick();
    await isNow(page, 'Waits for a connection');
    await page.getByText('Please connect your Slack account first in Settings > Integrations.').waitFor();
    await expectGood(page, 'run, waits for a connection');
    const opened = page.context().waitForEvent('page');
    await page.getByRole('link', { name: 'Open the connect page' }).click();
    const connect = await opened;
    await page.reload();
    await isNow(page, 'Waits for a connection');
    await connect.getByRole('link', { name: 'Continue to Slack' }).click();
    await connect.getByRole('button', { name: 'Approve' }).click();
    await connect.getByText('Slack is connected').first().waitFor();
    await isNow(page, 'Completed');
    await page.getByText('Slack was connected').waitFor();
    await page.locator('summary', { hasText: 'SLACK_SEND_MESSAGE' }).click();
    await page.getByRole('region', { name: 'Arguments' }).getByText('Hello from Bellhop').waitFor();
    await page.getByRole('region', { name: 'Result' }).waitFor();
    await expectGood(page, 'run, completed');
    const href = await page.getByRole('link', { name: 'Open in Temporal' }).getAttribute('href');
    const runId = new URL(page.url()).pathname.split('/').at(-1) ?? '';
    expect(href).toBe(`${TEMPORAL_UI}/namespaces/default/workflows/run-${runId}`);
    // One run, although the button was clicked twice.
    expect((await stage.api.call('GET', `/v1/runs?userId=${userId}`)).body.items).toHaveLength(1);
    expect(await stage.api.bellhop.sandbox.journal({ userId })).toHaveLength(1);
    await page.goBack();
    await heading(page, 'Try it').waitFor();
    await page.context().close();
  });
});

describe('an operator', () => {
  it('changes the arguments of a call and approves it; the changed ones are sent, once', async () => {
    const userId = await stage.newUser(['slack']);
    const task = scripted([{ toolCalls: [WRITE] }, { content: 'The end.' }]);
    const runId = await stage.start({ userId, task, tools: TOOLS, approvals: { require: 'writes' } });
    const page = await stage.signedIn(`/console/runs/${runId}`);
    await isNow(page, 'Waits for approval');
    await page.getByRole('button', { name: 'Go to it' }).click();
    expect(await page.getByLabel('Your name').and(page.locator(':focus')).count()).toBe(1);
    await page.getByRole('button', { name: 'Change arguments' }).click();
    const edit = page.getByLabel('Arguments to use instead');
    await page.getByLabel('Your name').fill('Dana');
    await edit.fill('{ not json');
    await page.getByRole('button', { name: 'Approve with changes' }).click();
    await page.getByRole('alert').getByText('not a JSON object').waitFor();
    await expectGood(page, 'run, waits for approval');
    await edit.fill(JSON.stringify({ ...WRITE.arguments, markdown_text: 'better' }));
    await page.getByRole('button', { name: 'Approve with changes' }).dblclick();
    await isNow(page, 'Completed');
    await expectStill(page, 'run, approved');
    expect(await deciders(userId)).toEqual(['Dana']);
    const effects = await stage.api.bellhop.sandbox.journal({ userId });
    expect(effects.map((effect) => (effect.arguments as { markdown_text: string }).markdown_text)).toEqual([
      'better',
    ]);
    await page.context().close();
  });

  it('denies with the keyboard alone, and nothing is sent', async () => {
    const userId = await stage.newUser(['slack']);
    const task = scripted([{ toolCalls: [WRITE] }, { content: 'The end.' }]);
    const runId = await stage.start({ userId, task, tools: TOOLS, approvals: { require: 'writes' } });
    const page = await stage.signedIn('/console/runs?status=waiting_for_approval');
    await page
      .getByRole('link', { name: new RegExp(`^Do it`) })
      .first()
      .focus();
    await page.goto(`${stage.api.url}/console/runs/${runId}`);
    await page.getByRole('button', { name: 'Deny' }).waitFor();
    // A key is no person: who decides is asked for, and without a name nothing is decided.
    const name = page.getByLabel('Your name');
    expect(await name.inputValue()).toBe('');
    await tabTo(page, /^Deny$/);
    await page.keyboard.press('Enter');
    expect(await name.and(page.locator(':focus:invalid')).count()).toBe(1);
    await page.keyboard.type('Dana');
    await page.keyboard.press('Enter');
    expect((await stage.api.call('GET', `/v1/runs/${runId}`)).body.status).toBe('waiting_for_approval');
    // It is asked for once in a session.
    await page.reload();
    await page.getByRole('button', { name: 'Deny' }).waitFor();
    expect(await name.inputValue()).toBe('Dana');
    await tabTo(page, /^Deny$/);
    await page.keyboard.press('Enter');
    await isNow(page, 'Completed');
    await expectStill(page, 'run, denied');
    expect(await deciders(userId)).toEqual(['Dana']);
    await page.locator('summary .status').getByText('Denied').waitFor();
    expect(await stage.api.bellhop.sandbox.journal({ userId })).toEqual([]);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    await page.context().close();
  });

  it('says what became of a call whose outcome is unknown, and the run goes on', async () => {
    const userId = await stage.newUser(['slack']);
    await stage.api.bellhop.sandbox.addFault({
      match: { route: 'tools.execute', userId, slug: 'SLACK_SEND_MESSAGE' },
      action: { type: 'status', status: 500, afterEffect: true },
      times: 1,
    });
    const task = scripted([{ toolCalls: [WRITE] }, { content: 'A line of the answer.\n'.repeat(12) }]);
    const runId = await stage.start({ userId, task, tools: TOOLS, onUnknownOutcome: 'wait' });
    const page = await stage.signedIn(`/console/runs/${runId}`);
    await isNow(page, 'Waits for an answer');
    await page.getByText('Outcome unknown').waitFor();
    await expectGood(page, 'run, outcome unknown');
    await page.getByLabel('Your name').fill('Dana');
    await page.getByRole('button', { name: 'It happened' }).click();
    await isNow(page, 'Completed');
    // An answer of many lines is folded where it stands in front, and whole among what happened.
    await expectStill(page, 'run, resolved');
    const panel = page.getByRole('region', { name: 'Answer' });
    const height = async () => (await panel.boundingBox())?.height ?? 0;
    const folded = await height();
    await panel.getByRole('button', { name: 'Show all of it' }).click();
    expect(await height()).toBeGreaterThan(folded + 100);
    expect(await deciders(userId)).toEqual(['Dana']);
    expect(await stage.api.bellhop.sandbox.journal({ userId })).toHaveLength(1);
    await page.context().close();
  });

  it('cancels a run, and finds it again by status and user', async () => {
    const userId = await stage.newUser();
    const runId = await stage.start({ userId, task: 'Post "hello" to #general', tools: TOOLS });
    const page = await stage.signedIn(`/console/runs/${runId}`);
    await page.getByRole('button', { name: 'Cancel run' }).click();
    await isNow(page, 'Cancelled');
    await page.getByRole('link', { name: 'Runs' }).first().click();
    await page.getByLabel('Status').selectOption('cancelled');
    await page.getByLabel('User id').fill(userId);
    await page.getByRole('button', { name: 'Show' }).click();
    await page.waitForURL((url) => url.searchParams.get('userId') === userId);
    await expect.poll(() => page.locator('.rows > li').count(), { timeout: 60_000 }).toBe(1);
    await expectGood(page, 'runs');
    await page.getByLabel('Status').selectOption('failed');
    await heading(page, 'No run fits').waitFor();
    await page.context().close();
  });

  it('opens a run of 2,000 events: each is there once, in order, and the page answers', async () => {
    const userId = await stage.newUser();
    const runId = await stage.api.bellhop.accept({ userId, task: 'Much', tools: TOOLS });
    const types = ['model.completed', 'tool.started', 'tool.completed', 'connection.completed'] as const;
    const events = Array.from({ length: 2_000 }, (_, i) => ({
      type: types[i % types.length] ?? 'model.completed',
      data: { turn: i, tool: 'SLACK_SEND_MESSAGE', app: 'slack', callId: `call-${i}` },
    }));
    await asSystem(stage.api.bellhop.db, (tx) => appendEvents(tx, { id: runId, userId }, events));
    const page = await stage.signedIn(`/console/runs/${runId}`);
    const entries = page.locator('.timeline > li');
    await expect.poll(() => entries.count(), { timeout: 60_000 }).toBe(2_000);
    await entries.last().scrollIntoViewIfNeeded();
    await entries.last().getByText('Slack was connected').waitFor();
    await expectStill(page, 'run of 2,000 events');
    await page.getByRole('button', { name: 'Cancel run' }).click();
    await page.context().close();
  });

  /** What an attempt that failed has left: broken accounts, and what was not received. */
  async function tidyUp(): Promise<void> {
    const { call, bellhop } = stage.api;
    for (const { id, status } of await bellhop.sandbox.accounts())
      if (status === 'EXPIRED') await bellhop.sandbox.setStatus(id, 'ACTIVE');
    await until('nothing to have failed', async () => {
      const { items } = (await call('GET', '/v1/deliveries?status=failed&limit=100')).body;
      for (const { id } of items as { id: string }[]) await call('POST', `/v1/deliveries/${id}/retry`);
      return items.length === 0;
    });
  }

  it('sees users with their connections, starts an audit, and sends again what was not received', async () => {
    await tidyUp();
    const userId = await stage.newUser();
    await stage.api.bellhop.sandbox.seedAccount({ userId, app: 'gmail', status: 'EXPIRED' });
    stage.receiver.answer(userId, { status: 410 });
    const page = await stage.signedIn('/console/audits');
    await page.getByRole('button', { name: 'Start an audit' }).dblclick();
    await page.locator('.audits .status').getByText('Completed').first().waitFor();
    await page.getByText('1 broken').first().waitFor();
    await expectGood(page, 'audits');

    await page.getByRole('link', { name: 'Users', exact: true }).click();
    await page.getByLabel('User id').fill(userId);
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByText('Gmail').waitFor();
    await page.locator('.rows .status').getByText('Expired').waitFor();
    await page.locator('.confirm summary').click();
    await page.getByRole('button', { name: 'Yes, disconnect' }).waitFor();
    await expectGood(page, 'user, about to disconnect');

    await page.getByRole('link', { name: 'Deliveries' }).click();
    await page.getByLabel('Status').selectOption('failed');
    const row = page.locator('.rows > li', { hasText: userId });
    await row.getByText('A connection stopped working', { exact: true }).waitFor();
    await expectGood(page, 'deliveries');
    await row.getByRole('button', { name: 'Try again now' }).click();
    await expect.poll(() => stage.receiver.of(userId).length, { timeout: 60_000 }).toBe(2);
    await heading(page, 'No delivery fits').waitFor();
    await page.context().close();
  });

  it('is told what to do when the API fails or a run is not there', async () => {
    const page = await stage.signedIn('/console/runs/no-such-run');
    await page.getByRole('alert').waitFor();
    await expectGood(page, 'run, not there');
    await page.goto(`${stage.api.url}/console/nowhere`);
    await heading(page, 'There is no such page').waitFor();
    await expectGood(page, 'no such page');
    const problem = { title: 'Internal error', status: 503, detail: 'Try again later.', instance: 'req-7' };
    await page.route('**/v1/**', (route) =>
      route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
    );
    await page.getByRole('link', { name: 'Audits' }).click();
    await page.getByText('Look for this id in the API’s log: req-7').waitFor();
    await expectGood(page, 'audits, the API fails');
    await page.unroute('**/v1/**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await page.context().close();
  });
});
