/** A typed client of the model sandbox's control paths, for tests and scripts. */
import type { FaultRule, LoggedRequest, MarkedScript } from './protocol.ts';

export type ModelSandboxControl = {
  /** Registers answers for every conversation that holds the marker; the same marker again replaces them. */
  script(script: MarkedScript): Promise<void>;
  fault(rule: FaultRule): Promise<void>;
  /** The newest requests that are still kept, oldest first. */
  requests(filter?: { marker?: string; after?: number; limit?: number }): Promise<readonly LoggedRequest[]>;
  /** Forgets scripts, faults and the request log. */
  reset(): Promise<void>;
};

/** `baseUrl` is the sandbox's address without a path. @throws Error when the sandbox refuses. */
export function createModelSandboxControl(baseUrl: string): ModelSandboxControl {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${baseUrl}/_sandbox${path}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`model sandbox: ${method} ${path} answered ${response.status} ${text}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  };
  return {
    script: async (script) => void (await call('POST', '/scripts', script)),
    fault: async (rule) => void (await call('POST', '/faults', rule)),
    async requests({ marker, after, limit } = {}) {
      const query = new URLSearchParams();
      if (marker !== undefined) query.set('marker', marker);
      if (after !== undefined) query.set('after', String(after));
      if (limit !== undefined) query.set('limit', String(limit));
      const answer = (await call('GET', `/requests?${query.toString()}`)) as {
        items: readonly LoggedRequest[];
      };
      return answer.items;
    },
    reset: async () => void (await call('POST', '/reset')),
  };
}
