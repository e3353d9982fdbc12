/**
 * A small v3.1 reader: accounts, catalogue, auth configs. What decides who may act is read here and never through an SDK:
 * composio-core refuses to ask for EXPIRED (its own enum), reads only the first page of accounts, has no field for the
 * reason of a status, and shows accounts in a v1 shape that the API no longer speaks. It never executes a tool.
 */
import type { ConnectedAccount } from '../domain/gate.ts';
import { classifyAnswer, classifyTransportError, unreadableAnswer } from './classify.ts';
import type { Purpose } from './classify.ts';
import { ComposioFailure } from './failure.ts';
import type { CallOptions, ConnectionPage, ConnectionQuery, Toolkit } from './port.ts';
import type { Transport, WireAnswer, WireRequest } from './transport.ts';
import { pathSegment } from './transport.ts';
import type { AuthConfig } from './wire.ts';
import type { WireTool } from './wire.ts';
import {
  listPage,
  toAccount,
  toAuthConfig,
  toCreatedAuthConfigId,
  toOwner,
  toTool,
  toToolkit,
} from './wire.ts';

/** Composio documents no maximum; 100 is below every limit that was seen to be refused. */
const PAGE_SIZE = 100;
/** 20,000 accounts of one user: beyond this a list is a fault, and an endless cursor must not hold an activity for ever. */
const MAX_PAGES = 200;

export type ComposioClient = {
  listConnections(query: ConnectionQuery, options?: CallOptions): Promise<ConnectionPage>;
  /** Every account of one entity, all pages. */
  connectionsOf(
    entityId: string,
    apps: readonly string[] | null,
    options?: CallOptions,
  ): Promise<ConnectedAccount[]>;
  getConnection(accountId: string, options?: CallOptions): Promise<ConnectedAccount | null>;
  /** True when it was there. */
  deleteConnection(accountId: string, options?: CallOptions): Promise<boolean>;
  getTools(slugs: readonly string[], options?: CallOptions): Promise<WireTool[]>;
  getToolkit(app: string, options?: CallOptions): Promise<Toolkit | null>;
  listAuthConfigs(app: string, options?: CallOptions): Promise<AuthConfig[]>;
  createManagedAuthConfig(app: string, options?: CallOptions): Promise<string>;
  ping(options?: CallOptions): Promise<void>;
};

export function createClient(
  transport: Transport,
  deadlines: { readMs: number; writeMs: number },
): ComposioClient {
  const ask = createAsk(transport);

  async function read(path: string, query: WireRequest['query'], options?: CallOptions): Promise<unknown> {
    return await ask(
      { method: 'GET', path, ...(query && { query }), timeoutMs: deadlines.readMs, signal: options?.signal },
      'read',
    );
  }

  async function readOrNull(path: string, options?: CallOptions): Promise<unknown> {
    try {
      return await read(path, undefined, options);
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  }

  async function readPage(path: string, query: WireRequest['query'], options?: CallOptions) {
    const body = listPage.safeParse(await read(path, query, options));
    if (!body.success) throw notAList(path);
    return { items: body.data.items, nextCursor: body.data.next_cursor || null };
  }

  async function readAll(path: string, query: Record<string, string | undefined>, options?: CallOptions) {
    const items: unknown[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = await readPage(path, { ...query, cursor }, options);
      items.push(...answer.items);
      if (answer.nextCursor === null) return items;
      // A list that does not move on is not a whole one: what is missing from it must not be taken for missing at Composio.
      if (answer.nextCursor === cursor) break;
      cursor = answer.nextCursor;
    }
    throw notAList(path);
  }

  async function readTool(slug: string, options?: CallOptions): Promise<unknown> {
    try {
      return await read(`/tools/${pathSegment(slug)}`, { toolkit_versions: 'latest' }, options);
    } catch (error) {
      if (isUnknownName(error)) return null;
      throw error;
    }
  }

  const client: ComposioClient = {
    async listConnections({ entityIds, statuses, apps, cursor, limit = PAGE_SIZE }, options) {
      // An empty filter would be left out of the address, and then means everything: nothing was asked for.
      if ([entityIds, statuses, apps].some((list) => list?.length === 0))
        return { items: [], nextCursor: null };
      const query = {
        user_ids: entityIds?.join(','),
        statuses: statuses?.join(','),
        toolkit_slugs: apps?.join(','),
        cursor,
        limit: String(limit),
      };
      const page = await readPage('/connected_accounts', query, options);
      const items = keep(page.items, toAccount);
      if (items.length === page.items.length) return { items, nextCursor: page.nextCursor };
      const unreadable = page.items.filter((item) => toAccount(item) === null).map(toOwner);
      return { items, nextCursor: page.nextCursor, unreadable };
    },
    async connectionsOf(entityId, apps, options) {
      if (apps?.length === 0) return [];
      const query = { user_ids: entityId, toolkit_slugs: apps?.join(','), limit: String(PAGE_SIZE) };
      const items = keep(await readAll('/connected_accounts', query, options), toAccount);
      // The filters of the address are a wish; what comes back is checked, for it decides who acts.
      return items.filter((a) => a.entityId === entityId && (apps === null || apps.includes(a.app)));
    },
    async getConnection(accountId, options) {
      const path = `/connected_accounts/${pathSegment(accountId)}`;
      const body = await readOrNull(path, options);
      if (body === null) return null;
      const account = toAccount(body);
      if (account?.id !== accountId) throw notAList(path);
      return account;
    },
    async deleteConnection(accountId, options) {
      const path = `/connected_accounts/${pathSegment(accountId)}`;
      try {
        await ask(
          { method: 'DELETE', path, timeoutMs: deadlines.writeMs, signal: options?.signal },
          'effect',
        );
        return true;
      } catch (error) {
        if (isGone(error)) return false;
        throw error;
      }
    },
    async getTools(slugs, options) {
      if (slugs.length === 0) return [];
      const query = { tool_slugs: slugs.join(','), toolkit_versions: 'latest', limit: String(slugs.length) };
      const items = await readAll('/tools', query, options).catch(async (error: unknown) => {
        // A name that nobody knows may refuse the whole list: then each is asked for by itself.
        if (!isUnknownName(error)) throw error;
        return await Promise.all(slugs.map(async (slug) => await readTool(slug, options)));
      });
      return keep(items, toTool).filter((tool) => slugs.includes(tool.slug));
    },
    async getToolkit(app, options) {
      const body = await readOrNull(`/toolkits/${pathSegment(app)}`, options);
      return body === null ? null : toToolkit(body);
    },
    async listAuthConfigs(app, options) {
      const configs = keep(
        await readAll('/auth_configs', { toolkit_slug: app, limit: String(PAGE_SIZE) }, options),
        toAuthConfig,
      );
      return configs.filter((config) => config.app === null || config.app === app);
    },
    async createManagedAuthConfig(app, options) {
      const body = JSON.stringify({
        toolkit: { slug: app },
        auth_config: { type: 'use_composio_managed_auth', name: `bellhop-${app}` },
      });
      const path = '/auth_configs';
      const id = toCreatedAuthConfigId(
        await ask(
          { method: 'POST', path, body, timeoutMs: deadlines.writeMs, signal: options?.signal },
          'effect',
        ),
      );
      if (id === null) throw notAList(path);
      return id;
    },
    async ping(options) {
      await readPage('/auth_configs', { limit: '1' }, options);
    },
  };
  return client;
}

/** One request: its 2xx answer as JSON (null for an empty body), everything else as a ComposioFailure. */
export function createAsk(
  transport: Transport,
): (request: WireRequest, purpose: Purpose) => Promise<unknown> {
  return async (request, purpose) => {
    let answer: WireAnswer;
    try {
      answer = await transport.send(request);
    } catch (error) {
      throw classifyTransportError(error, purpose);
    }
    if (answer.status < 200 || answer.status >= 300) throw classifyAnswer(answer, purpose);
    if (answer.text === '' && request.method === 'DELETE') return null;
    try {
      return JSON.parse(answer.text) as unknown;
    } catch (error) {
      throw unreadableAnswer(answer, purpose, error);
    }
  };
}

/** 404; or 400 and 422, which Composio may also answer for a tool that is none. */
function isUnknownName(error: unknown): boolean {
  return (
    error instanceof ComposioFailure &&
    error.kind === 'rejected' &&
    [400, 404, 422].includes(error.httpStatus ?? 0)
  );
}

function isGone(error: unknown): boolean {
  return (
    error instanceof ComposioFailure &&
    // A web page in an API's place says nothing of what is there: an ingress without a backend answers 404 too.
    ((error.httpStatus === 404 && error.kind !== 'unavailable') ||
      (error.httpStatus === 410 && error.kind === 'rejected'))
  );
}

function notAList(path: string): ComposioFailure {
  return new ComposioFailure(`Composio's answer to ${path} does not have the shape of its v3.1 API`, {
    kind: 'transient',
    outcome: 'rejected',
  });
}

function keep<T>(items: readonly unknown[], map: (item: unknown) => T | null): T[] {
  return items.map(map).filter((item) => item !== null);
}
