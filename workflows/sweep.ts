/** What was accepted and never started, ended without a word, or waits for a wake-up that got lost. By the Schedule `sweep`. */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { SweepActivities } from '../activities/index.ts';
import { GATE_POLICY } from './policies.ts';

const sweeper = proxyActivities<SweepActivities>(GATE_POLICY);

export async function sweep(): Promise<Awaited<ReturnType<SweepActivities['sweepAll']>>> {
  const found = await sweeper.sweepAll.executeWithOptions({ summary: 'looks for what got lost' }, []);
  const told = Object.entries(found).filter(([, count]) => count > 0);
  setCurrentDetails(told.map(([what, count]) => `${count} ${what}`).join(', ') || 'nothing was lost');
  return found;
}
