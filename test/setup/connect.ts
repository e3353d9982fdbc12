/** Connect flows as the API drives them, without the API: open a flow, click its link, come back. */
import { acceptAttempt } from '../../db/accept-attempt.ts';
import { type Attempt, getAttempt, moveAttempt, openAttempt, setAttemptAccount } from '../../db/attempts.ts';
import { type Flow, getFlow, noteFlowClicked, openFlow } from '../../db/flows.ts';
import { forUser } from '../../db/scope.ts';
import type { AttemptStatus, FlowStatus } from '../../domain/statuses.ts';
import {
  CONNECT_ACCOUNT,
  type ConnectAccountInput,
  attemptOpenedSignal,
  connectionCompletedSignal,
  flowWorkflowId,
} from '../../workflows/messages.ts';
import type { TestBellhop } from './bellhop.ts';
import { until } from './until.ts';

export type Click = { readonly attempt: Attempt; readonly accountId: string; readonly redirectUrl: string };

export function createConnect(bellhop: TestBellhop) {
  const { db, client, taskQueue, composio, settings } = bellhop;
  const start = (flow: Flow, signal: typeof attemptOpenedSignal | typeof connectionCompletedSignal) => {
    const input: ConnectAccountInput = { flowId: flow.id, userId: flow.userId, app: flow.app };
    return client.workflow.signalWithStart(CONNECT_ACCOUNT, {
      workflowId: flowWorkflowId(flow.id),
      taskQueue,
      args: [input],
      signal: signal as typeof connectionCompletedSignal,
      signalArgs: signal === attemptOpenedSignal ? ([] as never) : [{ app: flow.app }],
    });
  };
  const flowOf = async (flow: Flow): Promise<Flow> => {
    const now = await forUser(db, flow.userId, (tx) => getFlow(tx, flow.id));
    if (!now) throw new Error('no such flow');
    return now;
  };
  const attemptOf = async ({ attempt }: Click): Promise<Attempt> => {
    const now = await forUser(db, attempt.userId, (tx) => getAttempt(tx, attempt.id));
    if (!now) throw new Error('no such attempt');
    return now;
  };
  const api = {
    flowOf,
    attemptOf,
    /** POST /v1/users/{userId}/connections. */
    open: async (
      userId: string,
      options: { app?: string; reconnect?: boolean; timeoutMs?: number } = {},
    ): Promise<Flow> => {
      const { app = 'slack', reconnect = false, timeoutMs = settings.connectTimeoutMs } = options;
      const asked = { userId, app, appName: app, reconnect, returnUrl: null, timeoutMs };
      const { flow } = await forUser(db, userId, (tx) => openFlow(tx, asked));
      await start(flow, connectionCompletedSignal);
      return flow;
    },
    /** GET /connect/{token}/go. */
    click: async (flow: Flow): Promise<Click> => {
      const { attempt } = await forUser(db, flow.userId, (tx) => openAttempt(tx, flow));
      const authConfigId = await composio.resolveAuthConfig(flow.app);
      const callbackUrl = `http://127.0.0.1:9/oauth/callback/${attempt.id}`;
      const link = await composio
        .forEntity(flow.userId)
        .connect({ app: flow.app, authConfigId, callbackUrl });
      await forUser(db, flow.userId, async (tx) => {
        await setAttemptAccount(tx, attempt.id, link.accountId);
        await noteFlowClicked(tx, flow.id);
      });
      await start(flow, attemptOpenedSignal);
      return { attempt, accountId: link.accountId, redirectUrl: link.redirectUrl };
    },
    /** GET /oauth/callback/{attemptId} from the clicking browser, once Composio shows the account ACTIVE. */
    callback: async (flow: Flow, click: Click): Promise<boolean> => {
      const moved = await forUser(db, flow.userId, (tx) =>
        moveAttempt(tx, click.attempt.id, { from: ['open'], to: 'verified' }),
      );
      if (!moved) return false;
      const attempt = { ...click.attempt, accountId: click.accountId };
      const accepted = await forUser(db, flow.userId, (tx) => acceptAttempt(tx, attempt, 'callback'));
      await start(flow, connectionCompletedSignal);
      return accepted !== null;
    },
    /** The same, or polling, whichever is quicker on this machine: the flow is completed, and by this click. */
    complete: async (flow: Flow, click: Click): Promise<void> => {
      await api.callback(flow, click);
      const { accountId } = await api.untilFlow(flow, 'completed');
      if (accountId !== click.accountId) throw new Error('the flow was completed by another account');
    },
    /** A word to the flow's workflow: look. */
    hint: (flow: Flow) => start(flow, connectionCompletedSignal),
    untilFlow: (flow: Flow, status: FlowStatus) =>
      until(`flow ${status}`, async () => ((await flowOf(flow)).status === status ? flowOf(flow) : null)),
    untilAttempt: (click: Click, status: AttemptStatus) =>
      until(`attempt ${status}`, async () => {
        const attempt = await attemptOf(click);
        return attempt.status === status ? attempt : null;
      }),
    /** Ids of the accounts that the sandbox still has of this user. */
    accounts: async (userId: string): Promise<string[]> =>
      (await bellhop.sandbox.accounts({ userId })).map((account) => account.id).toSorted(),
  };
  return api;
}
