/** What every attack on the connect flow is judged by: the page, the attempt, the flow, signals in history, the effect journal. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { getAttempt, listAttempts } from '../../db/attempts.ts';
import { asSystem } from '../../db/scope.ts';
import { flowWorkflowId, runWorkflowId } from '../../workflows/messages.ts';
import type { TestApi } from '../api/setup/api.ts';
import { startSettled } from '../api/setup/settled-run.ts';
import { type Browser, createBrowser, type Page } from '../api/setup/browser.ts';
import { until } from '../setup/until.ts';

/** A page or a row may be late on a loaded machine. */
export const PATIENCE = { timeout: 60_000 };
export const TOOLS = { slack: 'SLACK_SEND_MESSAGE', gmail: 'GMAIL_SEND_EMAIL' } as const;
export type App = keyof typeof TOOLS;

/** A user with a run that waits for an app, and the flow that asks for it. */
export type Target = {
  readonly userId: string;
  readonly app: App;
  readonly runId: string;
  readonly flowId: string;
  readonly connectUrl: string;
  /** `connection-completed` signals in both histories before anything was tried. */
  readonly signalsBefore: number;
};
/** A click: its attempt is open, and the browser that clicked has its cookie. */
export type Click = {
  readonly target: Target;
  readonly browser: Browser;
  readonly attemptId: string;
  readonly accountId: string;
  /** The provider's consent page. */
  readonly provider: string;
};

export function createStage(api: TestApi) {
  const { bellhop } = api;
  const signalsOf = async (workflowId: string): Promise<number> => {
    const history = await bellhop.client.workflow.getHandle(workflowId).fetchHistory();
    return (history.events ?? []).filter(
      (event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'connection-completed',
    ).length;
  };
  const signals = async (target: Pick<Target, 'runId' | 'flowId'>): Promise<number> =>
    (await signalsOf(runWorkflowId(target.runId))) + (await signalsOf(flowWorkflowId(target.flowId)));
  const newUser = async (): Promise<string> => {
    const userId = `u-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    return userId;
  };
  const target = async (app: App = 'slack', of?: string): Promise<Target> => {
    const userId = of ?? (await newUser());
    const run = await startSettled(api, { userId, task: 'Tell #general hello', tools: [TOOLS[app]] });
    expect(run.status).toBe('waiting_for_connection');
    const flow = (await api.call('POST', `/v1/users/${userId}/connections`, { body: { app } })).body;
    const ids = { runId: run.id as string, flowId: flow.flowId as string };
    return { userId, app, ...ids, connectUrl: flow.connectUrl, signalsBefore: await signals(ids) };
  };
  const click = async (on: Target, browser = createBrowser()): Promise<Click> => {
    const before = new Set(browser.cookies.keys());
    const { location } = await browser.get(local(`${on.connectUrl}/go`), hostOf(on.connectUrl));
    const name = [...browser.cookies.keys()].find((cookie) => !before.has(cookie)) ?? '';
    const attemptId = name.replace(/^(__Host-)?bellhop-/, '');
    const accountId = (await attemptOf(attemptId)).accountId ?? '';
    return { target: on, browser, attemptId, accountId, provider: location ?? '' };
  };
  const attemptOf = async (attemptId: string) => {
    const attempt = await asSystem(bellhop.db, (tx) => getAttempt(tx, attemptId));
    if (!attempt) throw new Error(`no attempt ${attemptId}`);
    return attempt;
  };
  /** The same address at the port where the tests' server is, whatever PUBLIC_URL says. */
  const local = (address: string): string => {
    const { pathname, search } = new URL(address);
    return `${api.url}${pathname}${search}`;
  };
  const hostOf = (address: string) => ({ host: new URL(address).host });
  const visit = (browser: Browser, address: string): Promise<Page> =>
    browser.visit(local(address), hostOf(address));
  const flowOf = async (of: Target) => (await api.call('GET', `/v1/connections/${of.flowId}`)).body;
  const accountsOf = async (of: Target): Promise<string[]> =>
    (await bellhop.sandbox.accounts({ userId: of.userId })).map(({ id }) => id).toSorted();

  /** Until the flow's workflow has looked at the world after the last click, and looks no more by itself. */
  const lookedAt = (of: Target): Promise<true> =>
    until(
      'the look after the click',
      async () => {
        const { events } = await bellhop.client.workflow.getHandle(flowWorkflowId(of.flowId)).fetchHistory();
        const last = (has: (event: NonNullable<typeof events>[number]) => unknown): number =>
          (events ?? []).findLastIndex((event) => has(event));
        const clicked = last(
          (event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'attempt-opened',
        );
        const looking = last((event) => event.activityTaskScheduledEventAttributes);
        const looked = last((event) => event.activityTaskCompletedEventAttributes);
        return clicked >= 0 && looking > clicked && looked > looking;
      },
      PATIENCE.timeout,
    );

  return {
    newUser,
    target,
    lookedAt,
    click,
    attemptOf,
    flowOf,
    accountsOf,
    signals,
    /** Somebody decides on the provider's page. @returns where the provider sends that browser: the callback. */
    consent: async ({ provider }: Click, decision: 'approve' | 'deny' = 'approve'): Promise<string> => {
      const { location } = await bellhop.sandbox.consent(provider, decision);
      if (location === null) throw new Error('no way back');
      return location;
    },
    /** One request; the page that says "finishing" is not waited out. */
    visitOnce: (browser: Browser, address: string) => browser.get(local(address), hostOf(address)),
    visit,
    /** Nothing was signalled, nothing was done, the run waits, and the flow with its link lives on. */
    expectHarmless: async (of: Target, attempts: readonly (readonly [Click, string, string | null])[]) => {
      for (const [{ attemptId }, status, reason] of attempts) {
        // Whoever was refused was perhaps told so before the rows say it.
        await expect.poll(() => attemptOf(attemptId), PATIENCE).toMatchObject({ status, reason });
      }
      expect(await flowOf(of)).toMatchObject({ status: 'open', connectUrl: of.connectUrl });
      expect((await signals(of)) - of.signalsBefore).toBe(0);
      expect(await bellhop.sandbox.journal({ userId: of.userId })).toEqual([]);
      expect((await bellhop.run(of.runId)).status).toBe('waiting_for_connection');
    },
    /** Whatever was tried before: the user's own consent completes the flow, and the run acts once, with that account. */
    expectStillWorks: async (of: Target): Promise<void> => {
      const own = await click(of);
      const { location } = await bellhop.sandbox.consent(own.provider, 'approve');
      const page = await visit(own.browser, location ?? '');
      expect([page.status, page.text.includes('is connected')]).toEqual([200, true]);
      expect((await bellhop.ended(of.runId, PATIENCE.timeout)).status).toBe('completed');
      expect(await bellhop.sandbox.journal({ userId: of.userId })).toMatchObject([
        { accountId: own.accountId },
      ]);
    },
    attempts: (of: Target) => asSystem(bellhop.db, (tx) => listAttempts(tx, of.flowId)),
  };
}
export type AttackStage = ReturnType<typeof createStage>;
