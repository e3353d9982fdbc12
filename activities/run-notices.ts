/** Notices that tell the integrator how a run ended. Written only where a channel is configured. */
import { addNotice } from '../db/notices.ts';
import type { Run } from '../db/runs.ts';
import type { UserTx } from '../db/scope.ts';
import type { NoticeChannel } from '../domain/notice.ts';
import type { ActivitySettings } from './deps.ts';

/** The channels that are configured. */
export function channelsOf(
  settings: Pick<ActivitySettings, 'webhook' | 'hasMail'>,
): readonly NoticeChannel[] {
  return [
    ...(settings.webhook === null ? [] : ['webhook' as const]),
    ...(settings.hasMail ? ['mail' as const] : []),
  ];
}

export async function noticeOfEnd(
  tx: UserTx,
  run: Pick<Run, 'id' | 'userId'>,
  type: 'run.completed' | 'run.failed',
  settings: ActivitySettings,
): Promise<readonly string[]> {
  const channels = channelsOf(settings);
  if (channels.length === 0) return [];
  const id = await addNotice(
    tx,
    {
      userId: run.userId,
      type,
      dedupeKey: `run:${run.id}:end`,
      app: null,
      flowId: null,
      runId: run.id,
      data: {},
    },
    channels,
  );
  return id === null ? [] : [id];
}
