/** GET /connect/{token}/go: the click. Opens an attempt and sends the browser to Composio. */
import { z } from 'zod';
import { findOpenFlow } from '../connect/find-flow.ts';
import { beginAttempt } from '../connect/open-attempt.ts';
import { defineRoute } from '../define-route.ts';
import { token } from '../schemas/common.ts';

export const connectGoRoute = defineRoute({
  method: 'get',
  path: '/connect/{token}/go',
  operationId: 'openConnectAttempt',
  tag: 'Connect (browser)',
  summary: 'Open a connect attempt',
  description: 'Mints a fresh Composio link, ties the attempt to this browser by a cookie, and redirects.',
  scope: null,
  forBrowsers: true,
  noHead: true,
  params: z.strictObject({ token }),
  query: z.looseObject({}),
  responses: {
    302: {
      description: "To Composio, or first to PUBLIC_URL's host, which the cookie is for.",
      headers: { Location: 'Where to.', 'Set-Cookie': "The attempt's cookie." },
    },
    400: { description: 'The link does not work; the same page for unknown, used and expired.', page: true },
    429: { description: 'A page: too many attempts are open for this link.', page: true },
  },
  handler: async (deps, { params, host, forwardedHost, log }) => {
    const publicHost = new URL(deps.publicUrl).host;
    // A proxy may pass its own host on; then the one that the browser asked for is in X-Forwarded-Host.
    if (host !== publicHost && forwardedHost !== publicHost) {
      return {
        status: 302,
        headers: { location: `${deps.publicUrl}/connect/${encodeURIComponent(params.token)}/go` },
      };
    }
    const flow = await findOpenFlow(deps.db, params.token);
    const { redirectUrl, cookie } = await beginAttempt(deps, flow, log);
    return { status: 302, headers: { location: redirectUrl, 'set-cookie': cookie } };
  },
});
