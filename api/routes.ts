/** Every route of the API, in the order in which the document shows them. */
import type { Route } from './define-route.ts';
import { cancelAuditRoute } from './routes/cancel-audit.ts';
import { cancelRunRoute } from './routes/cancel-run.ts';
import { decideApprovalRoute } from './routes/decide-approval.ts';
import { composioWebhookRoute } from './routes/composio-webhook.ts';
import { confirmConnectionRoute } from './routes/confirm-connection.ts';
import { connectGoRoute } from './routes/connect-go.ts';
import { connectPageRoute } from './routes/connect-page.ts';
import { deleteApiKeyRoute } from './routes/delete-api-key.ts';
import { deleteConnectionRoute } from './routes/delete-connection.ts';
import { eraseUserRoute } from './routes/erase-user.ts';
import { getAuditRoute } from './routes/get-audit.ts';
import { getErasureRoute } from './routes/get-erasure.ts';
import { getFlowRoute } from './routes/get-flow.ts';
import { getRunRoute } from './routes/get-run.ts';
import { getUserRoute } from './routes/get-user.ts';
import { healthzRoute, readyzRoute } from './routes/health.ts';
import { listApiKeysRoute } from './routes/list-api-keys.ts';
import { listAuditLogRoute } from './routes/list-audit-log.ts';
import { listAuditsRoute } from './routes/list-audits.ts';
import { listConnectionsRoute } from './routes/list-connections.ts';
import { listDeliveriesRoute } from './routes/list-deliveries.ts';
import { listRunEventsRoute } from './routes/list-run-events.ts';
import { listRunMessagesRoute } from './routes/list-run-messages.ts';
import { listRunsRoute } from './routes/list-runs.ts';
import { listUsersRoute } from './routes/list-users.ts';
import { oauthCallbackRoute } from './routes/oauth-callback.ts';
import { postApiKeyRoute } from './routes/post-api-key.ts';
import { postAuditRoute } from './routes/post-audit.ts';
import { postConnectionRoute } from './routes/post-connection.ts';
import { postPortalLinkRoute } from './routes/post-portal-link.ts';
import { postRunRoute } from './routes/post-run.ts';
import { putUserRoute } from './routes/put-user.ts';
import { resolveToolCallRoute } from './routes/resolve-tool-call.ts';
import { retryDeliveryRoute } from './routes/retry-delivery.ts';

export const ROUTES: readonly Route[] = [
  putUserRoute,
  getUserRoute,
  listUsersRoute,
  postPortalLinkRoute,
  eraseUserRoute,
  getErasureRoute,
  listConnectionsRoute,
  postConnectionRoute,
  getFlowRoute,
  confirmConnectionRoute,
  deleteConnectionRoute,
  connectPageRoute,
  connectGoRoute,
  oauthCallbackRoute,
  postRunRoute,
  getRunRoute,
  listRunsRoute,
  listRunMessagesRoute,
  listRunEventsRoute,
  cancelRunRoute,
  decideApprovalRoute,
  resolveToolCallRoute,
  postAuditRoute,
  getAuditRoute,
  listAuditsRoute,
  cancelAuditRoute,
  listDeliveriesRoute,
  retryDeliveryRoute,
  composioWebhookRoute,
  postApiKeyRoute,
  listApiKeysRoute,
  deleteApiKeyRoute,
  listAuditLogRoute,
  healthzRoute,
  readyzRoute,
];
