/** GET /v1/deliveries: what was told to the integrator and what was not, newest first. */
import { z } from 'zod';
import { listDeliveries } from '../../db/notices.ts';
import { asSystem } from '../../db/scope.ts';
import { decodeCursor, toPage } from '../cursor.ts';
import { defineRoute } from '../define-route.ts';
import { pageOf, pageQuery } from '../schemas/common.ts';
import { DELIVERY_STATUSES, deliverySchema, toDeliveryBody } from '../schemas/delivery.ts';

export const listDeliveriesRoute = defineRoute({
  method: 'get',
  path: '/v1/deliveries',
  operationId: 'listDeliveries',
  tag: 'Notices',
  summary: 'List deliveries',
  scope: 'operator',
  query: pageQuery.extend({ status: z.enum(DELIVERY_STATUSES).optional() }),
  responses: { 200: { description: 'A page of deliveries, newest first.', body: pageOf(deliverySchema) } },
  handler: async ({ db }, { query }) => {
    const key = decodeCursor('deliveries', ['time', 'id'], query.cursor);
    const rows = await asSystem(db, (tx) =>
      listDeliveries(tx, {
        ...(query.status === undefined ? {} : { status: query.status }),
        before: key ? { createdAt: key[0] ?? '', id: key[1] ?? '' } : null,
        limit: query.limit + 1,
      }),
    );
    const page = toPage('deliveries', rows, query.limit, (row) => [row.createdAtText, row.delivery.id]);
    return {
      status: 200,
      body: { items: page.items.map((row) => toDeliveryBody(row.delivery)), nextCursor: page.nextCursor },
    };
  },
});
