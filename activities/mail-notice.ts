/**
 * One mail of one notice to its user. SMTP cannot promise more than at least once: a mail whose acceptance got lost goes
 * again, under the same Message-ID.
 */
import { claimFlowsForMail } from '../db/notices.ts';
import { forUser } from '../db/scope.ts';
import { getUser } from '../db/users.ts';
import { MailFailure } from '../mail/port.ts';
import { reconnectMail } from '../mail/texts.ts';
import type { ActivityDeps } from './deps.ts';
import type { Attempt, Ready } from './notice-attempt.ts';

/** RFC 5321: the server has the mail. */
const ACCEPTED = 250;

export async function mailNotice(deps: ActivityDeps, { notice, facts }: Ready): Promise<Attempt> {
  if (deps.mail === null) return { kind: 'skipped', why: 'no mail server is configured' };
  if (facts.links.length === 0) return { kind: 'skipped', why: 'there is nothing to connect' };
  const { user, mine } = await forUser(deps.db, notice.userId, async (tx) => {
    const user = await getUser(tx, notice.userId);
    if (!user?.email) return { user, mine: new Set<string>() };
    return {
      user,
      mine: await claimFlowsForMail(
        tx,
        notice.id,
        facts.links.map(({ flowId }) => flowId),
      ),
    };
  });
  if (!user?.email) return { kind: 'skipped', why: 'the user has no mail address' };
  const links = facts.links.filter(({ flowId }) => mine.has(flowId));
  if (links.length === 0) return { kind: 'skipped', why: 'the user was mailed this link before' };
  const { waitingRuns } = facts;
  try {
    await deps.mail.send({
      id: notice.id,
      to: { name: user.displayName, address: user.email },
      ...reconnectMail({ displayName: user.displayName, links, waitingRuns }),
      date: notice.createdAt,
    });
    return { kind: 'delivered', httpStatus: ACCEPTED };
  } catch (error) {
    if (!(error instanceof MailFailure)) throw error;
    const { code, smtpStatus: httpStatus, isFinal } = error;
    return { kind: 'failed', httpStatus, error: `SMTP ${code}`, retryAfterMs: null, isFinal };
  }
}
