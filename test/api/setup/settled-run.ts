/** Runs over the API, as patient callers read them: on a busy machine an answer may come a step before what it is about. */
import { expect } from 'vitest';
import { until } from '../../setup/until.ts';
import type { Answer, AnyBody, CallOptions, TestApi } from './api.ts';

type Caller = { readonly call: (method: string, path: string) => Promise<{ readonly body: AnyBody }> };

/** The run once it waits for someone or has ended. */
export const untilSettled = (api: Caller, runId: string): Promise<AnyBody> =>
  until('the run to wait for someone or to end', async () => {
    const { body } = await api.call('GET', `/v1/runs/${runId}?wait=20s`);
    return body.status === 'running' ? null : body;
  });

export const untilEnded = (api: Caller, runId: string): Promise<AnyBody> =>
  until('the end of the run', async () => {
    const { body } = await api.call('GET', `/v1/runs/${runId}?wait=20s`);
    return body.finishedAt === null ? null : body;
  });

/** POST /v1/runs, and then the run once it waits for someone or has ended: the answer itself comes after 5 s in any case. */
export async function startSettled(api: Pick<TestApi, 'call'>, body: object): Promise<AnyBody> {
  const accepted = await api.call('POST', '/v1/runs', { body });
  expect(accepted.status).toBe(202);
  return untilSettled(api, accepted.body.id);
}

/**
 * The answer itself of POST /v1/runs, with what the connection check has found. A run that is answered before its check, as
 * whatever takes longer than 5 s is, is cancelled, and another one started.
 */
export const postUntilChecked = (
  api: Pick<TestApi, 'call'>,
  options: CallOptions,
): Promise<Answer<AnyBody>> =>
  until(
    'an answer that comes after the connection check',
    async () => {
      const answer = await api.call('POST', '/v1/runs', options);
      if (answer.status !== 202 || answer.body.status !== 'running') return answer;
      await api.call('POST', `/v1/runs/${answer.body.id}/cancel`);
      await untilEnded(api, answer.body.id);
      return null;
    },
    120_000,
  );
