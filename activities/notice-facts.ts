/**
 * What a notice says, as things are when it is sent: the link of the open flow, the runs that wait. Ids, names and statuses;
 * never content of a run.
 */
import { getFlow, openFlow } from '../db/flows.ts';
import type { Notice } from '../db/notices.ts';
import { type Run, getRun } from '../db/runs.ts';
import type { UserTx } from '../db/scope.ts';
import { listWaiting, listWaitingRunsByApp } from '../db/waiters.ts';
import { gateMessage } from '../domain/gate.ts';
import type { JsonObject } from '../domain/json.ts';
import { GATE_REASONS, type GateReason } from '../domain/statuses.ts';
import type { ActivitySettings } from './deps.ts';

export type NoticeLink = {
  readonly flowId: string;
  readonly app: string;
  readonly appName: string;
  readonly reason: GateReason;
  readonly url: string;
};
export type NoticeFacts = {
  readonly data: JsonObject;
  readonly links: readonly NoticeLink[];
  readonly waitingRuns: number;
};

/** A notice stays below 20 kB, whatever waits: ids have up to 36 characters, an app's line up to 600. */
const MAX_RUNS = 100;
const MAX_LINKS = 20;
const MAX_MESSAGE = 1_000;

type Settings = Pick<ActivitySettings, 'publicUrl' | 'connectTimeoutMs'>;

export async function describeNotice(tx: UserTx, notice: Notice, settings: Settings): Promise<NoticeFacts> {
  const run = notice.runId === null ? null : await getRun(tx, notice.runId);
  const links = await findLinks(tx, notice, run, settings);
  const runIds = await findWaitingRuns(tx, notice, run);
  const [first] = links;
  const isOfRun = notice.type === 'run.waiting_for_connection';
  const data: JsonObject = {
    userId: notice.userId,
    ...(notice.app === null ? {} : { app: notice.app }),
    ...notice.data,
    ...(runIds === null
      ? {}
      : {
          waitingRuns: runIds.slice(0, MAX_RUNS),
          ...(runIds.length > MAX_RUNS ? { waitingRunCount: runIds.length } : {}),
        }),
    ...(isOfRun ? { waitingFor: links.slice(0, MAX_LINKS).map(toWaitingFor) } : {}),
    ...(first === undefined ? {} : { connectUrl: first.url }),
    ...(run === null ? {} : { runId: run.id, status: run.status, error: errorOf(run) }),
  };
  return { data, links, waitingRuns: runIds?.length ?? 0 };
}

async function findLinks(
  tx: UserTx,
  notice: Notice,
  run: Run | null,
  settings: Settings,
): Promise<readonly NoticeLink[]> {
  const toUrl = (token: string): string => new URL(`/connect/${token}`, settings.publicUrl).href;
  if (notice.type === 'run.waiting_for_connection' && run !== null)
    return (await listWaiting(tx, run.id)).map(({ token, ...waiting }) => ({
      ...waiting,
      url: toUrl(token),
    }));
  const found = notice.flowId === null ? null : await getFlow(tx, notice.flowId);
  if (found === null) return [];
  let flow = found;
  if (flow.status !== 'open') {
    if (notice.type !== 'connection.expired') return [];
    // Still broken (a mended app's notice is not sent), and the link has died: nobody clicked in time. A new one.
    flow = (await openFlow(tx, { ...flow, timeoutMs: settings.connectTimeoutMs })).flow;
  }
  const { status } = notice.data;
  const reason = GATE_REASONS.find((known) => known.toUpperCase() === status) ?? 'expired';
  return [{ flowId: flow.id, app: flow.app, appName: flow.appName, reason, url: toUrl(flow.token) }];
}

/** Runs that the notice's app holds up; null for notices of which no run waits. */
async function findWaitingRuns(
  tx: UserTx,
  notice: Notice,
  run: Run | null,
): Promise<readonly string[] | null> {
  if (notice.app !== null) return (await listWaitingRunsByApp(tx, notice.userId)).get(notice.app) ?? [];
  return notice.type === 'run.waiting_for_connection' && run !== null ? [run.id] : null;
}

function toWaitingFor({ app, appName, reason, url }: NoticeLink): JsonObject {
  return { app, reason, connectUrl: url, message: gateMessage(reason, appName.slice(0, 200)) };
}

function errorOf(run: Run): JsonObject | null {
  return run.error === null
    ? null
    : { code: run.error.code, message: run.error.message.slice(0, MAX_MESSAGE) };
}
