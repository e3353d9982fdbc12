/** The workflow types that the worker bundles; a workflow's export name is its type's name. */
export { agentRun } from './agent-run.ts';
export { auditConnections } from './audit-connections.ts';
export { connectAccount } from './connect-account.ts';
export { deliverNotice } from './deliver-notice.ts';
export { eraseUser } from './erase-user.ts';
export { retention } from './retention.ts';
export { settleWebhookEvents } from './settle-webhook-events.ts';
export { sweep } from './sweep.ts';
