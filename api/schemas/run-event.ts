/** Events of a run, as the API shows them. */
import { z } from 'zod';
import { RUN_EVENT_TYPES } from '../../domain/statuses.ts';
import { time } from './common.ts';

export const runEventSchema = z
  .looseObject({
    seq: z.int().meta({ description: "The run's own sequence number, from 1 without gaps." }),
    type: z.enum(RUN_EVENT_TYPES),
    at: time,
    runId: z.string(),
  })
  .meta({ id: 'RunEvent', description: 'Besides these members: ids, names and statuses of what it tells.' });
export type RunEventBody = z.input<typeof runEventSchema>;
