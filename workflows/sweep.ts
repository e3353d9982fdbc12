/** What was accepted and never started, ended without a word, or waits for a wake-up that got lost. By the Schedule `sweep`. */
import { proxyActivities } from '@temporalio/workflow';
import type { SweepActivities } from '../activities/index.ts';
import { GATE_POLICY } from './policies.ts';

const sweeper = proxyActivities<SweepActivities>(GATE_POLICY);

export async function sweep(): Promise<Awaited<ReturnType<SweepActivities['sweepAll']>>> {
  return sweeper.sweepAll();
}
