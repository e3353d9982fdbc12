/** All activities of one worker. Workflows import only the types. */
import { createAuditActivities } from './audit-activities.ts';
import type { ActivityDeps } from './deps.ts';
import { createEraseActivities } from './erase-activities.ts';
import { createFlowActivities } from './flow-activities.ts';
import { createModelActivities } from './model-activities.ts';
import { createNoticeActivities } from './notice-activities.ts';
import { createRetentionActivities } from './retention-activities.ts';
import { createRunActivities } from './run-activities.ts';
import { createSweepActivities } from './sweep-activities.ts';
import { createToolActivities } from './tool-activities.ts';
import { createWebhookActivities } from './webhook-activities.ts';

export type RunActivities = ReturnType<typeof createRunActivities>;
export type ModelActivities = ReturnType<typeof createModelActivities>;
export type ToolActivities = ReturnType<typeof createToolActivities>;
export type FlowActivities = ReturnType<typeof createFlowActivities>;
export type AuditActivities = ReturnType<typeof createAuditActivities>;
export type NoticeActivities = ReturnType<typeof createNoticeActivities>;
export type EraseActivities = ReturnType<typeof createEraseActivities>;
export type RetentionActivities = ReturnType<typeof createRetentionActivities>;
export type SweepActivities = ReturnType<typeof createSweepActivities>;
export type WebhookActivities = ReturnType<typeof createWebhookActivities>;

export function createActivities(deps: ActivityDeps) {
  // Who waits for it decides in which order work gets a part of Composio's request limit.
  const forPeople = { ...deps, composio: deps.composio.withClass('flows') };
  const forNobody = { ...deps, composio: deps.composio.withClass('audit') };
  return {
    ...createRunActivities(deps),
    ...createModelActivities(deps),
    ...createToolActivities(deps),
    ...createFlowActivities(forPeople),
    ...createAuditActivities(forNobody),
    ...createNoticeActivities(deps),
    ...createEraseActivities(forNobody),
    ...createRetentionActivities(deps),
    ...createSweepActivities(forNobody),
    ...createWebhookActivities(forNobody),
  };
}
