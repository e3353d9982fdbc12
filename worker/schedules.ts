/** The three Schedules, made at worker start. What an operator paused or edited in the Temporal UI stays, but for a changed AUDIT_CRON or queue. */
import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import { labelAudit, labelRetention, labelSweep } from '../domain/workflow-labels.ts';
import {
  AUDIT_CONNECTIONS,
  AUDIT_SCHEDULE_ID,
  type AuditInput,
  RETENTION,
  RETENTION_SCHEDULE_ID,
  SWEEP,
  SWEEP_SCHEDULE_ID,
  WORKFLOW_TASK_TIMEOUT,
} from '../workflows/messages.ts';

/** After an outage an audit that was missed by hours is still worth doing; yesterday's is not, today's comes. */
const AUDIT_CATCH_UP = '6 hours';
/** Many installations have the same cron text; their audits should not meet at Composio. */
const AUDIT_JITTER = '5 minutes';
/** Installations on one database server should not all vacuum at once. */
const RETENTION_JITTER = '30 minutes';
const CRON_MEMO = 'auditCron';

export async function ensureSchedules(
  client: Client,
  {
    taskQueue,
    auditCron,
    auditTaskQueue = taskQueue,
  }: { taskQueue: string; auditCron: string; auditTaskQueue?: string },
): Promise<void> {
  await ensureAudit(client, auditTaskQueue, auditCron);
  await createOnce(client, {
    scheduleId: SWEEP_SCHEDULE_ID,
    spec: { intervals: [{ every: '1 minute' }] },
    action: {
      type: 'startWorkflow',
      workflowType: SWEEP,
      workflowId: SWEEP,
      taskQueue,
      args: [],
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      ...labelSweep(),
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
  });
  await createOnce(client, {
    scheduleId: RETENTION_SCHEDULE_ID,
    // In the night of most users; when it was missed, the next one does the same.
    spec: { cronExpressions: ['30 3 * * *'], jitter: RETENTION_JITTER },
    action: {
      type: 'startWorkflow',
      workflowType: RETENTION,
      workflowId: RETENTION,
      taskQueue,
      args: [],
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      ...labelRetention(),
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: AUDIT_CATCH_UP },
  });
}

async function ensureAudit(client: Client, taskQueue: string, auditCron: string): Promise<void> {
  const wanted = auditSchedule(taskQueue, auditCron);
  if (await createOnce(client, wanted)) return;
  const handle = client.schedule.getHandle(AUDIT_SCHEDULE_ID);
  try {
    const { memo, state, action } = await handle.describe();
    if (memo?.[CRON_MEMO] === auditCron && action.taskQueue === taskQueue) return;
    // A Schedule's memo cannot be changed, and without it the next start could not tell our edit from an operator's.
    await handle.delete();
    const { paused, note } = state;
    await createOnce(client, { ...wanted, state: { paused, ...(note === undefined ? {} : { note }) } });
  } catch (error) {
    // Another worker that starts now with the same new cron was quicker, and makes it.
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

function auditSchedule(taskQueue: string, auditCron: string): ScheduleOptions {
  const input: AuditInput = { mode: 'users' };
  return {
    scheduleId: AUDIT_SCHEDULE_ID,
    spec: { cronExpressions: [auditCron], jitter: AUDIT_JITTER },
    action: {
      type: 'startWorkflow',
      workflowType: AUDIT_CONNECTIONS,
      workflowId: 'audit-scheduled',
      taskQueue,
      args: [input],
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      ...labelAudit(input),
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: AUDIT_CATCH_UP },
    memo: { [CRON_MEMO]: auditCron },
  };
}

/** @returns false when it is there already. An action's priority is sent, though the SDK's type does not name it. */
async function createOnce(client: Client, options: ScheduleOptions): Promise<boolean> {
  try {
    await client.schedule.create(options);
    return true;
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) return false;
    throw error;
  }
}
