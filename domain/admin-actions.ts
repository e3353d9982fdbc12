/** What the audit log knows of: every act of an operator or an administrator that changes something. */
export const ADMIN_ACTIONS = [
  'api_key.created',
  'api_key.deleted',
  'approval.approved',
  'approval.denied',
  'audit.cancel_requested',
  'audit.refused',
  'audit.started',
  'connection.deleted',
  'delivery.retried',
  'run.cancel_requested',
  'tool_call.resolved',
  'user.erase_requested',
] as const;
export type AdminAction = (typeof ADMIN_ACTIONS)[number];
