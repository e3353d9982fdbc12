/**
 * The ports to Composio and to the model with somebody who watches each call: metrics count it, traces time it. A watcher
 * sees names and outcomes only, and may change nothing of the call.
 */
import type { ComposioPort, EntityComposio } from '../composio/port.ts';
import type { Completion, ModelPort } from '../model/port.ts';

export type ComposioCall = {
  readonly operation:
    | 'tools'
    | 'connections'
    | 'connect'
    | 'execute'
    | 'disconnect'
    | 'toolkit'
    | 'list_connections'
    | 'connection'
    | 'auth_config'
    | 'ping';
  /** Of an execution. */
  readonly tool?: string;
  readonly app?: string;
};
export type WatchComposio = <T>(call: ComposioCall, work: () => Promise<T>) => Promise<T>;
export type WatchModel = (work: () => Promise<Completion>) => Promise<Completion>;

export function watchComposio<P extends ComposioPort>(port: P, watch: WatchComposio): P {
  return { ...port, ...watchPort(port, watch) };
}

function watchPort(port: ComposioPort, watch: WatchComposio): ComposioPort {
  return {
    withClass: (requestClass) => watchPort(port.withClass(requestClass), watch),
    forEntity: (entityId) => watchEntity(port.forEntity(entityId), watch),
    checkArguments: (tool, args) => port.checkArguments(tool, args),
    getTools: (slugs, options) => watch({ operation: 'tools' }, () => port.getTools(slugs, options)),
    getToolkit: (app, options) => watch({ operation: 'toolkit', app }, () => port.getToolkit(app, options)),
    listConnections: (query, options) =>
      watch({ operation: 'list_connections' }, () => port.listConnections(query, options)),
    getConnection: (accountId, options) =>
      watch({ operation: 'connection' }, () => port.getConnection(accountId, options)),
    resolveAuthConfig: (app, options) =>
      watch({ operation: 'auth_config', app }, () => port.resolveAuthConfig(app, options)),
    ping: (options) => watch({ operation: 'ping' }, () => port.ping(options)),
  };
}

function watchEntity(entity: EntityComposio, watch: WatchComposio): EntityComposio {
  return {
    entityId: entity.entityId,
    tools: (slugs, options) => watch({ operation: 'tools' }, () => entity.tools(slugs, options)),
    connections: (apps, options) =>
      watch({ operation: 'connections' }, () => entity.connections(apps, options)),
    connect: (request, options) =>
      watch({ operation: 'connect', app: request.app }, () => entity.connect(request, options)),
    execute: (request) => {
      const { slug, app } = request.tool;
      return watch({ operation: 'execute', tool: slug, app }, () => entity.execute(request));
    },
    disconnect: (accountId, options) =>
      watch({ operation: 'disconnect' }, () => entity.disconnect(accountId, options)),
  };
}

export function watchModel(port: ModelPort, watch: WatchModel): ModelPort {
  return { complete: (request) => watch(() => port.complete(request)) };
}
