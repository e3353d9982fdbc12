/** One POST of one notice to the integrator, Standard Webhooks headers and signature. The workflow decides about further ones. */
import { Webhook } from 'standardwebhooks';
import { getFlow } from '../db/flows.ts';
import { type Notice, getDelivery, getNotice, recordDelivery } from '../db/notices.ts';
import { getRun } from '../db/runs.ts';
import { forUser } from '../db/scope.ts';
import { listWaitingRunsByApp } from '../db/waiters.ts';
import type { JsonObject } from '../domain/json.ts';
import type { DeliverNoticeInput } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { goneFailure } from './failures.ts';
import { running } from './running.ts';

/** Standard Webhooks: 15 to 30 s. */
const DELIVERY_TIMEOUT_MS = 20_000;
const GONE = 410;
/** A receiver may ask for patience, not for years: no longer than the schedule's own longest wait. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

export type DeliveryOutcome =
  | { readonly status: 'delivered' | 'failed' | 'skipped' }
  | { readonly status: 'retry'; readonly httpStatus: number | null; readonly retryAfterMs: number | null };

export function createNoticeActivities(deps: ActivityDeps) {
  return {
    async deliverNotice(input: DeliverNoticeInput & { isLast: boolean }): Promise<DeliveryOutcome> {
      return running(async () => {
        const { webhook } = deps.settings;
        const { notice, delivery, body } = await forUser(deps.db, input.userId, async (tx) => {
          const notice = await getNotice(tx, input.noticeId);
          if (!notice) throw goneFailure('notice');
          return {
            notice,
            delivery: await getDelivery(tx, input.noticeId),
            body: await describe(deps, tx, notice),
          };
        });
        if (!delivery || delivery.status === 'delivered') return { status: 'delivered' };
        if (webhook === null) {
          await record(deps, input, {
            status: 'skipped',
            httpStatus: null,
            error: 'no receiver is configured',
          });
          return { status: 'skipped' };
        }
        const answer = await post(webhook, notice, body);
        if (answer.ok) {
          await record(deps, input, { status: 'delivered', httpStatus: answer.httpStatus, error: null });
          return { status: 'delivered' };
        }
        const isOver = input.isLast || answer.httpStatus === GONE;
        await record(deps, input, {
          status: isOver ? 'failed' : 'pending',
          httpStatus: answer.httpStatus,
          error: answer.error,
        });
        if (isOver) return { status: 'failed' };
        return { status: 'retry', httpStatus: answer.httpStatus, retryAfterMs: answer.retryAfterMs };
      });
    },
  };
}

async function record(
  deps: ActivityDeps,
  input: DeliverNoticeInput,
  outcome: Parameters<typeof recordDelivery>[2],
): Promise<void> {
  await forUser(deps.db, input.userId, (tx) => recordDelivery(tx, input.noticeId, outcome));
}

/** The body, as things are now: the link of the open flow, and the runs that wait. */
async function describe(
  deps: ActivityDeps,
  tx: Parameters<typeof getNotice>[0],
  notice: Notice,
): Promise<string> {
  const flow = notice.flowId === null ? null : await getFlow(tx, notice.flowId);
  const run = notice.runId === null ? null : await getRun(tx, notice.runId);
  const connectUrl =
    flow?.status === 'open' ? new URL(`/connect/${flow.token}`, deps.settings.publicUrl).href : null;
  const waitingRuns =
    notice.app === null ? [] : ((await listWaitingRunsByApp(tx, notice.userId)).get(notice.app) ?? []);
  const data: JsonObject = {
    userId: notice.userId,
    ...(notice.app === null ? {} : { app: notice.app, waitingRuns }),
    ...notice.data,
    ...(connectUrl === null ? {} : { connectUrl }),
    ...(run === null ? {} : { runId: run.id, status: run.status, error: run.error }),
  };
  return JSON.stringify({ type: notice.type, timestamp: notice.createdAt.toISOString(), data });
}

type Answer = { ok: boolean; httpStatus: number | null; error: string; retryAfterMs: number | null };

async function post(webhook: { url: string; secret: string }, notice: Notice, body: string): Promise<Answer> {
  const at = new Date();
  // `whsec_…` is base64 as the standard has it; any other text is used as it is.
  const signer = webhook.secret.startsWith('whsec_')
    ? new Webhook(webhook.secret)
    : new Webhook(webhook.secret, { format: 'raw' });
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'bellhop',
    'webhook-id': notice.id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': signer.sign(notice.id, at, body),
  };
  try {
    // A redirect would carry a signed body to a host that nobody configured: it counts as a failure.
    const signal = AbortSignal.timeout(DELIVERY_TIMEOUT_MS);
    const response = await fetch(webhook.url, { method: 'POST', headers, body, redirect: 'manual', signal });
    await response.body?.cancel();
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
    return {
      ok: response.ok,
      httpStatus: response.status,
      error: `HTTP ${response.status}`,
      retryAfterMs: retryAfter >= 0 ? Math.min(retryAfter * 1_000, MAX_RETRY_AFTER_MS) : null,
    };
  } catch (error) {
    return {
      ok: false,
      httpStatus: null,
      error: error instanceof Error ? error.name : 'Error',
      retryAfterMs: null,
    };
  }
}
