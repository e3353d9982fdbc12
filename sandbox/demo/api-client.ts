/** The integrator's backend: a few calls of the HTTP API with its key. */
import { DemoError } from './timeline.ts';

export type ApiRun = {
  readonly id: string;
  readonly status: string;
  readonly output: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly waitingFor: readonly {
    readonly app: string;
    readonly reason: string;
    readonly connectUrl: string;
    readonly message: string;
  }[];
  readonly toolCalls: readonly {
    readonly tool: string;
    readonly accountId: string | null;
    readonly status: string;
  }[];
};
export type ApiAudit = {
  readonly id: string;
  readonly status: string;
  readonly usersScanned: number;
  readonly broken: number;
  readonly notified: number;
};

export function createApiClient(baseUrl: string, apiKey: string) {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(new URL(path, baseUrl), {
      method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new DemoError(`${method} ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  };
  return {
    putUser: (userId: string, fields: object) =>
      call<{ userId: string }>('PUT', `/v1/users/${userId}`, fields),
    startRun: (run: object) => call<ApiRun>('POST', '/v1/runs', run),
    getRun: (id: string, wait = '0s') =>
      call<ApiRun>('GET', `/v1/runs/${id}${wait === '0s' ? '' : `?wait=${wait}`}`),
    startAudit: () => call<{ id: string }>('POST', '/v1/audits', {}),
    getAudit: (id: string) => call<ApiAudit>('GET', `/v1/audits/${id}`),
  };
}

export type ApiClient = ReturnType<typeof createApiClient>;
