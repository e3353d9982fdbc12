/** Whether a notice still tells something: looked at before each attempt, for days may lie between two. */
import { getApproval } from '../db/approvals.ts';
import { isEpisodeOpen } from '../db/episodes.ts';
import type { Notice } from '../db/notices.ts';
import { getRun } from '../db/runs.ts';
import type { UserTx } from '../db/scope.ts';
import { listWaiting } from '../db/waiters.ts';

const EPISODE = /^episode:(.+)$/;

/** @returns why it need not be told any more, in words for the list of deliveries; null when it does. */
export async function whyStale(tx: UserTx, notice: Notice): Promise<string | null> {
  switch (notice.type) {
    case 'connection.expired': {
      const episodeId = EPISODE.exec(notice.dedupeKey)?.[1];
      if (episodeId === undefined || (await isEpisodeOpen(tx, episodeId))) return null;
      return 'the connection works again';
    }
    case 'run.waiting_for_connection': {
      if (notice.runId === null || (await getRun(tx, notice.runId))?.finishedAt !== null)
        return 'the run has ended';
      return (await listWaiting(tx, notice.runId)).length > 0 ? null : 'the run waits no longer';
    }
    case 'approval.requested': {
      const { callId } = notice.data;
      if (notice.runId === null || typeof callId !== 'string') return null;
      const found = await getApproval(tx, { runId: notice.runId, callId });
      return found === null || found.approval.status === 'requested' ? null : 'it is decided';
    }
    // That something ended stays true.
    case 'connection.completed':
    case 'run.completed':
    case 'run.failed':
      return null;
  }
}
