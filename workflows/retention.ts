/** What is over and old is deleted, and its space given back. By the Schedule `retention`, each night. */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { RetentionActivities } from '../activities/index.ts';
import { RETENTION_POLICY } from './policies.ts';

const keeper = proxyActivities<RetentionActivities>(RETENTION_POLICY);

export async function retention(): Promise<Awaited<ReturnType<RetentionActivities['applyRetention']>>> {
  const gone = await keeper.applyRetention.executeWithOptions({ summary: 'deletes what is old' }, []);
  setCurrentDetails(
    Object.entries(gone)
      .map(([what, count]) => `${count} ${what}`)
      .join(', '),
  );
  return gone;
}
