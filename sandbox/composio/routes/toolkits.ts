/** `GET /toolkits` and `GET /toolkits/{slug}`. */
import type { Handler } from '../api-request.ts';
import { json } from '../api-request.ts';
import { allToolkits, findToolkit, toolkitToWire } from '../catalogue/catalogue.ts';
import { toolkitNotFound } from '../wire-error.ts';

export const listToolkits: Handler = () => {
  // Items of the list, unlike a toolkit that is asked for alone, say `no_auth` themselves.
  const items = allToolkits().map((toolkit) => ({ ...toolkitToWire(toolkit), no_auth: toolkit.noAuth }));
  return json(200, { items, next_cursor: null, total_items: items.length, total_pages: 1, current_page: 1 });
};

export const getToolkit: Handler = (_state, request) => {
  const toolkit = findToolkit(request.id);
  if (!toolkit) throw toolkitNotFound(request.id);
  return json(200, toolkitToWire(toolkit));
};
