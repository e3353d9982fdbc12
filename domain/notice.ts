/** The channels that a notice can take, and which notices are the end user's own business. Pure. */
import type { NoticeType } from './statuses.ts';

export const NOTICE_CHANNELS = ['webhook', 'mail'] as const;
export type NoticeChannel = (typeof NOTICE_CHANNELS)[number];

/**
 * Mailed to the user: what only they can mend. That a run ended, or waits for an operator's approval, is between the
 * integrator's product and its users; Bellhop does not write to them about it.
 */
const MAILED: readonly NoticeType[] = ['connection.expired', 'run.waiting_for_connection'];

export function isMailed(type: NoticeType): boolean {
  return MAILED.includes(type);
}
