/** Every route of the API, in the order in which the document shows them. */
import type { Route } from './define-route.ts';
import { getUserRoute } from './routes/get-user.ts';
import { healthzRoute, readyzRoute } from './routes/health.ts';
import { listUsersRoute } from './routes/list-users.ts';
import { putUserRoute } from './routes/put-user.ts';

export const ROUTES: readonly Route[] = [
  putUserRoute,
  getUserRoute,
  listUsersRoute,
  healthzRoute,
  readyzRoute,
];
