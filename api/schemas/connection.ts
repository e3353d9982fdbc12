/** Connections and connection flows, as the API takes and shows them. */
import { z } from 'zod';
import type { Attempt } from '../../db/attempts.ts';
import type { StoredConnection } from '../../db/connections.ts';
import type { Flow } from '../../db/flows.ts';
import { ATTEMPT_STATUSES, FLOW_STATUSES } from '../../domain/statuses.ts';
import { app, time, toTime, toTimeOrNull } from './common.ts';
import { connectUrl } from './run.ts';

/** Composio's, with INITIALIZING shown as INITIATED: to a settings page both mean "not finished". */
const SHOWN_STATUSES = ['INITIATED', 'ACTIVE', 'EXPIRED', 'FAILED', 'INACTIVE', 'REVOKED'] as const;

export const connectionSchema = z
  .strictObject({
    app: z.string(),
    status: z.enum(SHOWN_STATUSES),
    statusReason: z.string().nullable(),
    connectedAt: time.nullable(),
    accountId: z.string(),
    lastCheckedAt: time,
    connectUrl: z.string().optional().meta({ description: "Of the app's open flow, when there is one." }),
    waitingRuns: z.array(z.string()).meta({ description: 'Ids of the runs that wait for this app.' }),
  })
  .meta({ id: 'Connection' });

export const newFlowSchema = z.strictObject({
  app,
  returnUrl: z
    .string()
    .max(2_000)
    .optional()
    .meta({ description: 'Where the browser goes when it is done: exactly one of BELLHOP_RETURN_URLS.' }),
  reconnect: z.boolean().optional().meta({ description: 'Connect a new account although one works.' }),
});

export const flowSchema = z
  .strictObject({
    flowId: z.string(),
    userId: z.string(),
    app: z.string(),
    status: z.enum(FLOW_STATUSES),
    accountId: z.string().nullable().meta({ description: 'null until the user has clicked.' }),
    connectUrl: z
      .string()
      .nullable()
      .meta({ description: 'Show it to the user. null when the flow has ended.' }),
    expiresAt: time,
    lastAttempt: z
      .strictObject({ status: z.enum(ATTEMPT_STATUSES), reason: z.string().nullable() })
      .nullable(),
  })
  .meta({ id: 'Flow' });

export const alreadyConnectedSchema = z
  .strictObject({ app: z.string(), status: z.literal('completed'), accountId: z.string() })
  .meta({ id: 'AlreadyConnected' });

export function toFlowBody(flow: Flow, last: Attempt | null, publicUrl: string): z.input<typeof flowSchema> {
  const isOpen = flow.status === 'open';
  return {
    flowId: flow.id,
    userId: flow.userId,
    app: flow.app,
    status: flow.status,
    accountId: flow.accountId ?? last?.accountId ?? null,
    connectUrl: isOpen ? connectUrl(publicUrl, flow.token) : null,
    expiresAt: toTime(flow.expiresAt),
    lastAttempt: last ? { status: last.status, reason: last.reason } : null,
  };
}

export function toConnectionBody(
  connection: StoredConnection,
  context: { openFlow: Flow | undefined; waitingRuns: readonly string[]; publicUrl: string },
): z.input<typeof connectionSchema> {
  return {
    app: connection.app,
    status: connection.status === 'INITIALIZING' ? 'INITIATED' : connection.status,
    statusReason: connection.statusReason,
    connectedAt: toTimeOrNull(connection.connectedAt),
    accountId: connection.accountId,
    lastCheckedAt: toTime(connection.lastCheckedAt),
    ...(context.openFlow ? { connectUrl: connectUrl(context.publicUrl, context.openFlow.token) } : {}),
    waitingRuns: [...context.waitingRuns],
  };
}
