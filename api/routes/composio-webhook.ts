/**
 * POST /v1/webhooks/composio: what Composio tells of itself. A hint, never a proof: it is written down and answered; what it
 * says is read from Composio by whoever looks into it.
 */
import { z } from 'zod';
import { addWebhookEvent } from '../../db/webhook-events.ts';
import { asSystemOnce } from '../../db/scope.ts';
import { storableText } from '../../domain/json.ts';
import { isUserId } from '../../domain/user-id.ts';
import { isSigned } from '../composio-signature.ts';
import { defineRoute } from '../define-route.ts';
import { ApiProblem, invalid } from '../problem-codes.ts';

/** The one that means something here: an account cannot be refreshed any more. */
const EXPIRED = 'composio.connected_account.expired';
/** Of a type that means nothing here, so much is kept for whoever wonders what comes. */
const MAX_TYPE_LENGTH = 100;

const header = (description: string) => z.string().optional().meta({ description });
const eventSchema = z
  .looseObject({
    type: z.string().meta({ description: 'Others than the example are taken and ignored.' }),
    data: z.looseObject({
      id: z.string().meta({ description: 'Of the connected account.' }),
      user_id: z.string().optional().meta({ description: 'Where it is missing, the account is looked up.' }),
    }),
  })
  .meta({
    id: 'ComposioEvent',
    description: 'A V3 event, as Composio documents it. Further members are let pass, unread.',
    example: { type: EXPIRED, data: { id: 'ca_1', user_id: 'alice', status: 'EXPIRED' } },
  });
const said = (status: 'accepted' | 'ignored' | 'known') => z.strictObject({ status: z.literal(status) });

export const composioWebhookRoute = defineRoute({
  method: 'post',
  path: '/v1/webhooks/composio',
  operationId: 'receiveComposioEvent',
  tag: 'Webhooks in',
  summary: 'Receive an event of Composio',
  description:
    'For Composio’s webhook subscription; not for integrators. Signed with one of COMPOSIO_WEBHOOK_SECRET, at most 300 s old or early. Without that secret: 404.',
  scope: null,
  signed: true,
  headers: z.strictObject({
    'webhook-id': header('Names the event, also when it is sent again.'),
    'webhook-timestamp': header('Unix seconds.'),
    'webhook-signature': header('`v1,<base64>`, or several with a space between.'),
  }),
  body: eventSchema,
  responses: {
    200: { description: 'It was here before: nothing happens.', body: said('known') },
    202: {
      description: 'It is looked into, or is of a type that means nothing here.',
      body: z.union([said('accepted'), said('ignored')]),
    },
  },
  problems: ['signature_invalid', 'not_found'],
  handler: async ({ db, webhooksIn }, { headers, rawBody, log }) => {
    if (webhooksIn.secrets.length === 0) throw new ApiProblem('not_found');
    const id = headers['webhook-id'];
    const message = {
      id,
      timestamp: headers['webhook-timestamp'],
      signature: headers['webhook-signature'],
      body: rawBody,
    };
    if (!isSigned(message, webhooksIn.secrets) || id === undefined) throw new ApiProblem('signature_invalid');
    const event = readEvent(rawBody);
    const isNew = await asSystemOnce(db, addWebhookEvent({ id, ...event }));
    if (!isNew) return { status: 200, body: { status: 'known' } } as const;
    log.info({ webhookId: id, type: event.type }, 'an event of Composio’s webhook');
    if (event.accountId === null) return { status: 202, body: { status: 'ignored' } } as const;
    webhooksIn.tell();
    return { status: 202, body: { status: 'accepted' } } as const;
  },
});

/** What to look into. Of an unknown type nothing more is read: its shape is none of ours. */
function readEvent(raw: Buffer): { type: string; accountId: string | null; namedUser: string | null } {
  const event = parse(raw);
  if (!isObject(event) || typeof event['type'] !== 'string') throw invalid('body/type', 'is not there');
  const type = storableText(event['type']).slice(0, MAX_TYPE_LENGTH);
  if (event['type'] !== EXPIRED) return { type, accountId: null, namedUser: null };
  const data = isObject(event['data']) ? event['data'] : {};
  const { id: accountId, user_id: namedUser } = data;
  // It comes to stand in an address; Composio's own are of letters, digits and underscores.
  if (typeof accountId !== 'string' || !/^[\w-][\w.:~@-]{0,199}$/.test(accountId))
    throw invalid('body/data/id', 'is not the id of an account');
  return {
    type,
    accountId,
    namedUser: typeof namedUser === 'string' && isUserId(namedUser) ? namedUser : null,
  };
}

function parse(raw: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw)) as unknown;
  } catch {
    throw invalid('body', 'is not JSON');
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
