/**
 * Stops the servers that a killed run left in the data directory. Before the ports are chosen, so that their ports are
 * free again and stay the same. Worker, API and sandboxes need none of this: they leave when their parent goes.
 */
import { join } from 'node:path';
import { stopLeftover } from '../daemon.ts';
import { PID_FILE } from '../temporary-folder.ts';
import type { DataDir } from './data-dir.ts';

export async function stopLeftovers(dir: DataDir, log: (line: string) => void): Promise<void> {
  const stopped = await Promise.all([
    stopLeftover('PostgreSQL', join(dir.postgres, PID_FILE), 'SIGINT'),
    stopLeftover('Temporal', join(dir.temporal, PID_FILE), 'SIGINT'),
  ]);
  if (stopped.includes(true)) log('Stopped what an earlier, killed run had left behind.');
}
