/** Sessions of the console whose operator has signed out: their sealed cookies would hold on. Known by digests. */
import type { SystemTx } from './scope.ts';
import type { Statement } from './statement.ts';

export async function addEndedSession(tx: SystemTx, session: Buffer): Promise<void> {
  await tx
    .insertInto('ended_sessions')
    .values({ session })
    .onConflict((oc) => oc.column('session').doNothing())
    .execute();
}

export function findEndedSession(session: Buffer): Statement<boolean> {
  return {
    text: 'select 1 from ended_sessions where session = $1',
    values: [session],
    read: (rows) => rows.length > 0,
  };
}
