/** From the configuration to what the activities need of it. */
import type { ActivitySettings } from '../activities/deps.ts';
import type { Config } from '../config/load-config.ts';

export function activitySettings(config: Config): ActivitySettings {
  return {
    toolTimeoutMs: config.worker.toolTimeoutMs,
    callbackGraceMs: config.connect.callbackGraceMs,
    freshAccountGraceMs: config.connect.freshAccountGraceMs,
    pollIntervalMs: config.connect.pollIntervalMs,
    connectTimeoutMs: config.connect.timeoutMs,
    userRuns: config.worker.userRuns,
    verifierMode: config.connect.verifierUrl !== null,
    publicUrl: config.http.publicUrl,
    webhook: config.notices.webhook,
    hasMail: config.notices.mail !== null,
    noticeWaitScale: 1,
    separateTools: config.temporal.separateQueues.includes('tools'),
    retention: config.retention,
    sabotage: config.sabotage ?? null,
  };
}
