/**
 * The only door to Composio. Nothing outside composio/ knows which SDK or wire version is behind it.
 * An adapter must pass test/composio/conformance.ts. No adapter may keep anything that belongs to one user:
 * `forEntity` gives a new object on each call, made for one activity and thrown away after it.
 */
import type { ConnectedAccount } from '../domain/gate.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { RequestClass } from '../domain/request-budget.ts';
import type { ConnectionStatus } from '../domain/statuses.ts';
import type { Tool } from '../domain/tool.ts';

export interface ComposioPort {
  /** The same port with the same caches, its requests counted as this class of the organisation's budget; without it: `runs`. */
  withClass(requestClass: RequestClass): ComposioPort;
  /** A scope for one user. @throws ComposioFailure kind `tenant_violation` for an empty id or `default`. */
  forEntity(entityId: string): EntityComposio;
  /** Catalogue entries by slug, cached (they are not user data). Slugs that Composio does not know are absent from the answer. */
  getTools(slugs: readonly string[], options?: CallOptions): Promise<readonly Tool[]>;
  /** Whether these arguments may go to this tool. @throws ComposioFailure kind `invalid_arguments`, its message for the model. */
  checkArguments(tool: Tool, args: JsonObject): void;
  /** A toolkit by its slug (cached), or null when Composio does not know it. */
  getToolkit(app: string, options?: CallOptions): Promise<Toolkit | null>;
  /** One page of connected accounts across users, for the audit. Always by our own reader, never through an SDK. */
  listConnections(query: ConnectionQuery, options?: CallOptions): Promise<ConnectionPage>;
  /** One connected account, or null when Composio does not know it. */
  getConnection(accountId: string, options?: CallOptions): Promise<ConnectedAccount | null>;
  /** The auth config to connect an app with: the configured one, else the newest enabled, else a new Composio-managed one. */
  resolveAuthConfig(app: string, options?: CallOptions): Promise<string>;
  /** One cheap request that proves key and API version. @throws ComposioFailure. */
  ping(options?: CallOptions): Promise<void>;
}

export interface EntityComposio {
  readonly entityId: string;
  /** OpenAI function tools for these slugs, as the SDK's toolset makes them. Unknown slugs are absent. */
  tools(slugs: readonly string[], options?: CallOptions): Promise<readonly OpenAiTool[]>;
  /** All accounts of this entity (of these apps, when given), every status, all pages. */
  connections(apps: readonly string[] | null, options?: CallOptions): Promise<readonly ConnectedAccount[]>;
  /** Mints a connect link. The account that comes of it is INITIATED until somebody consents. */
  connect(
    request: { app: string; authConfigId: string; callbackUrl: string },
    options?: CallOptions,
  ): Promise<ConnectLink>;
  /** Runs one tool with one account, which the caller has resolved and this adapter checks again. At most one execute request. */
  execute(request: ExecuteRequest): Promise<ExecuteResult>;
  /** Deletes an account of this entity at Composio. An account that is gone already is success. */
  disconnect(accountId: string, options?: CallOptions): Promise<void>;
}

export type CallOptions = { readonly signal?: AbortSignal };
export type Toolkit = { readonly app: string; readonly name: string; readonly noAuth: boolean };
export type OpenAiTool = {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description: string; readonly parameters: JsonObject };
};
export type ConnectionQuery = {
  readonly entityIds?: readonly string[];
  readonly statuses?: readonly ConnectionStatus[];
  readonly apps?: readonly string[];
  readonly cursor?: string;
  readonly limit?: number;
};
export type ConnectionPage = {
  readonly items: readonly ConnectedAccount[];
  readonly nextCursor: string | null;
  /** Owners of items that are no accounts (no id, no app), null where not even the owner can be read. Absent when there are none. */
  readonly unreadable?: readonly (string | null)[];
};
export type ConnectLink = {
  readonly accountId: string;
  readonly redirectUrl: string;
  readonly expiresAt: string | null;
};

export type ExecuteRequest = {
  readonly tool: Tool;
  readonly arguments: JsonObject;
  /** The account resolved by the caller: checked here to be this entity's, this tool's app's, ACTIVE and not disabled. Null only for `noAuth` tools. */
  readonly account: ConnectedAccount | null;
  /** Whole time of the execute request, milliseconds. */
  readonly timeoutMs: number;
  /**
   * Awaited by the adapter on the execute request itself, as the last thing before it leaves. When it throws, nothing is
   * sent and its error comes out of `execute` unchanged.
   */
  readonly beforeSend: () => Promise<void>;
  readonly signal?: AbortSignal;
};

/** What the provider said. `successful: false` is an answer, not an exception. */
export type ExecuteResult = {
  readonly successful: boolean;
  readonly data: Json;
  readonly error: string | null;
  readonly logId: string | null;
};
