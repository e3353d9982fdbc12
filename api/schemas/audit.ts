/** Audits, as the API shows them. */
import { z } from 'zod';
import type { Audit } from '../../db/audits.ts';
import { AUDIT_MODES, AUDIT_STATUSES, SKIP_REASONS } from '../../domain/statuses.ts';
import { time, toTime, toTimeOrNull } from './common.ts';

export const auditSchema = z
  .strictObject({
    id: z.string(),
    status: z.enum(AUDIT_STATUSES),
    mode: z.enum(AUDIT_MODES),
    usersScanned: z.int(),
    broken: z.int(),
    notified: z.int(),
    skipped: z.int().meta({ description: 'Users that could not be looked at.' }),
    composioRequests: z.int(),
    startedAt: time,
    finishedAt: time.nullable(),
  })
  .meta({ id: 'Audit' });

/** Of these, one audit shows so many. */
export const SKIPPED_SHOWN = 100;

export const auditDetailSchema = auditSchema
  .extend({
    skippedUsers: z
      .array(z.strictObject({ userId: z.string(), reason: z.enum(SKIP_REASONS) }))
      .meta({ description: `The first ${SKIPPED_SHOWN} of them, and why.` }),
  })
  .meta({ id: 'AuditDetail' });

export function toAuditBody(audit: Audit): z.input<typeof auditSchema> {
  return {
    id: audit.id,
    status: audit.status,
    mode: audit.mode,
    usersScanned: audit.usersScanned,
    broken: audit.broken,
    notified: audit.notified,
    skipped: audit.skipped,
    composioRequests: audit.composioRequests,
    startedAt: toTime(audit.startedAt),
    finishedAt: toTimeOrNull(audit.finishedAt),
  };
}
