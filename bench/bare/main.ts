/** The bare worker as a process. */
import { join } from 'node:path';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createBareActivities } from './activities.ts';

const env = (name: string): string => process.env[name] ?? '';
const silent = (): void => undefined;
Runtime.install({
  logger: { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent },
});
const connection = await NativeConnection.connect({ address: env('TEMPORAL_ADDRESS') });
const worker = await Worker.create({
  connection,
  taskQueue: env('TASK_QUEUE'),
  workflowsPath: join(import.meta.dirname, 'workflow.ts'),
  maxCachedWorkflows: 500,
  activities: createBareActivities({
    databaseUrl: env('DATABASE_URL'),
    composioUrl: env('COMPOSIO_BASE_URL'),
    modelUrl: env('MODEL_URL'),
    task: env('TASK'),
    system: env('SYSTEM'),
  }),
});
console.log('the bare worker polls');
await worker.run();
