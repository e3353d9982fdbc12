/**
 * The port, with a note of whether Composio's last answer was one. A refusal of ours or theirs (unknown tool, wrong
 * arguments) is an answer; only silence, overload or a broken key count as down.
 */
import { ComposioFailure } from '../composio/failure.ts';
import type { ComposioPort } from '../composio/port.ts';
import type { PartState } from './readiness.ts';

const DOWN_KINDS: ReadonlySet<ComposioFailure['kind']> = new Set([
  'unavailable',
  'transient',
  'config',
  'api_retired',
]);

export type ObservedComposio = ComposioPort & { lastAnswer(): PartState | 'unknown' };

export function observeComposio(observed: ComposioPort): ObservedComposio {
  let last: PartState | 'unknown' = 'unknown';
  const watch = async <T>(call: Promise<T>): Promise<T> => {
    try {
      const answer = await call;
      last = 'up';
      return answer;
    } catch (error) {
      // Held back by our own budget: Composio was not asked.
      const isUnasked =
        error instanceof ComposioFailure && error.kind === 'rate_limited' && error.outcome === 'not_sent';
      if (error instanceof ComposioFailure && !isUnasked) last = DOWN_KINDS.has(error.kind) ? 'down' : 'up';
      throw error;
    }
  };
  const observe = (port: ComposioPort): ComposioPort => ({
    withClass: (requestClass) => observe(port.withClass(requestClass)),
    forEntity: (entityId) => {
      const entity = port.forEntity(entityId);
      return {
        entityId: entity.entityId,
        tools: (slugs, options) => watch(entity.tools(slugs, options)),
        connections: (apps, options) => watch(entity.connections(apps, options)),
        connect: (request, options) => watch(entity.connect(request, options)),
        execute: (request) => watch(entity.execute(request)),
        disconnect: (accountId, options) => watch(entity.disconnect(accountId, options)),
      };
    },
    // Catalogue reads may come from a cache, so a success proves nothing; a failure does.
    getTools: (slugs, options) => port.getTools(slugs, options),
    checkArguments: (tool, args) => port.checkArguments(tool, args),
    getToolkit: (app, options) => port.getToolkit(app, options),
    listConnections: (query, options) => watch(port.listConnections(query, options)),
    getConnection: (accountId, options) => watch(port.getConnection(accountId, options)),
    resolveAuthConfig: (app, options) => port.resolveAuthConfig(app, options),
    ping: (options) => watch(port.ping(options)),
  });
  return { ...observe(observed), lastAnswer: () => last };
}
