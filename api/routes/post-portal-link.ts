/** POST /v1/users/{userId}/portal-links: a short-lived link to the user's settings page. Nothing is stored. */
import { z } from 'zod';
import { defineRoute } from '../define-route.ts';
import { requireUser } from '../require-user.ts';
import { app, time, toTime, userIdInPath } from '../schemas/common.ts';

// A settings page of more apps than this is none that a person reads.
const MAX_APPS = 50;

export const postPortalLinkRoute = defineRoute({
  method: 'post',
  path: '/v1/users/{userId}/portal-links',
  operationId: 'createPortalLink',
  tag: 'Users',
  summary: "Make a link to a user's settings page",
  description:
    'Send the browser of this user there, and nobody else: the first browser that opens the link, within five minutes, sees and changes the connections of this user for half an hour; in any other it opens nothing. Make one per click, for a user who is logged in with you.',
  scope: 'runs',
  params: z.strictObject({ userId: userIdInPath }),
  body: z
    .strictObject({
      apps: z
        .array(app)
        .max(MAX_APPS)
        .optional()
        .meta({
          description: 'Apps to offer, besides those that the user has connected or that a task waits for.',
          example: ['slack', 'gmail'],
        }),
    })
    .meta({ id: 'NewPortalLink' }),
  bodyOptional: true,
  responses: {
    201: {
      description: 'The link.',
      body: z.strictObject({ url: z.string(), expiresAt: time }).meta({ id: 'PortalLink' }),
    },
  },
  problems: ['user_unknown', 'user_erasing'],
  handler: async ({ db, portalSessions }, { params, body }) => {
    const { userId, createdAt } = await requireUser(db, params.userId);
    const apps = [...new Set(body.apps ?? [])];
    const { url, expiresAt } = portalSessions.mintLink({ userId, since: createdAt.toISOString(), apps });
    return { status: 201, body: { url, expiresAt: toTime(expiresAt) } };
  },
});
