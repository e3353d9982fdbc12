/** GET /connect/{token}: says who asks for what, and why. Mints nothing, so that a link preview does nothing. */
import { z } from 'zod';
import { forUser } from '../../db/scope.ts';
import { getUser } from '../../db/users.ts';
import { listWaitingRuns } from '../../db/waiters.ts';
import { findOpenFlow } from '../connect/find-flow.ts';
import { defineRoute } from '../define-route.ts';
import { token } from '../schemas/common.ts';
import { connectPage } from '../pages/connect-page.ts';

export const connectPageRoute = defineRoute({
  method: 'get',
  path: '/connect/{token}',
  operationId: 'showConnectPage',
  tag: 'Connect (browser)',
  summary: 'Show a connect link',
  description: 'The `connectUrl` of a flow, for a person with a browser. Stable while the flow is open.',
  scope: null,
  forBrowsers: true,
  params: z.strictObject({ token }),
  query: z.looseObject({}),
  responses: {
    200: { description: 'A page that says which app is asked for, by whom and why.', page: true },
    400: { description: 'The link does not work; the same page for unknown, used and expired.', page: true },
  },
  handler: async ({ db, publicUrl, brand }, { params }) => {
    const flow = await findOpenFlow(db, params.token);
    const { user, runs } = await forUser(db, flow.userId, async (tx) => ({
      user: await getUser(tx, flow.userId),
      runs: await listWaitingRuns(tx, flow.id),
    }));
    const page = connectPage({
      brand,
      appName: flow.appName,
      forWhom: user?.displayName ?? flow.userId,
      askedBy: new URL(publicUrl).host,
      waitingRuns: runs,
      isReconnect: flow.reconnect || flow.refusedAccountId !== null,
      goPath: `/connect/${flow.token}/go`,
    });
    return { status: 200, page };
  },
});
