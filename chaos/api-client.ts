/** An integrator's backend as it should be: time-outs, the same key through all tries, patience where it is told to wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OperationLog } from './log.ts';
import type { PlannedRun } from './plan-run.ts';
import { API_KEY } from './stage-options.ts';

export type WaitingFor = { readonly app: string; readonly reason: string; readonly connectUrl: string };
export type ApiRun = {
  readonly id: string;
  readonly status: string;
  readonly waitingFor: readonly WaitingFor[];
  readonly error: { readonly code: string } | null;
};
export type Answer = { readonly status: number; readonly body: unknown; readonly headers: Headers };

/** The connection check is answered within 5 s by contract; three times that is a time-out of a patient client. */
const TIMEOUT_MS = 15_000;
/** A start that was never answered plainly is given up after this; whether the run exists is then for the checker. */
const START_PATIENCE_MS = 120_000;
const RETRY_MS = 400;

export function createApiClient(baseUrl: string, log: OperationLog) {
  /** @throws when there was no answer. */
  const call = async (
    method: string,
    path: string,
    options: { body?: unknown; headers?: Record<string, string>; timeoutMs?: number } = {},
  ): Promise<Answer> => {
    const response = await fetch(new URL(path, baseUrl), {
      method,
      headers: {
        authorization: `Bearer ${API_KEY}`,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      signal: AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : parse(text), headers: response.headers };
  };

  /** Repeats with the same key until the answer is plain. @returns the run, or null: refused, or nobody knows. */
  const startRun = async (user: string, key: string, plan: PlannedRun): Promise<ApiRun | null> => {
    const op = { is: 'op', op: 'start-run', key, user } as const;
    const deadline = Date.now() + START_PATIENCE_MS;
    const headers = {
      'idempotency-key': key,
      ...(plan.respondAsync ? { prefer: 'respond-async' } : {}),
    };
    while (Date.now() < deadline) {
      log.note({ ...op, phase: 'invoke' });
      try {
        const {
          status,
          body,
          headers: answered,
        } = await call('POST', '/v1/runs', { body: plan.body, headers });
        if (status === 200 || status === 202) {
          const run = body as ApiRun;
          const replayed = answered.get('idempotent-replayed') === 'true';
          log.note({ ...op, phase: 'ok', runId: run.id, status, replayed });
          return run;
        }
        // 409: an earlier try is still being accepted. 429 and 5xx: not now.
        const isPlain = status < 500 && status !== 409 && status !== 429;
        log.note({ ...op, phase: isPlain ? 'fail' : 'info', status });
        if (isPlain) return null;
        await sleep(waitOf(answered));
      } catch {
        log.note({ ...op, phase: 'info' });
        await sleep(RETRY_MS);
      }
    }
    return null;
  };

  /** Null when there was no answer this time. */
  const getRun = async (runId: string, wait: string): Promise<ApiRun | null> => {
    try {
      const { status, body } = await call('GET', `/v1/runs/${runId}?wait=${wait}`, { timeoutMs: 40_000 });
      return status === 200 ? (body as ApiRun) : null;
    } catch {
      return null;
    }
  };
  return { call, startRun, getRun };
}

export type ApiClient = ReturnType<typeof createApiClient>;

function waitOf(headers: Headers): number {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return seconds > 0 ? seconds * 1_000 : RETRY_MS;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
