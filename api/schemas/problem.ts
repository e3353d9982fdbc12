/** RFC 9457 problem details, as every refusal of the API is written. */
import { z } from 'zod';
import { PROBLEMS } from '../problem-codes.ts';
import { PROBLEM_TYPE_PREFIX } from '../problems.ts';

const codes = Object.keys(PROBLEMS) as [keyof typeof PROBLEMS, ...(keyof typeof PROBLEMS)[]];

export const problemSchema = z
  .looseObject({
    type: z.string().meta({ description: `\`${PROBLEM_TYPE_PREFIX}\` and the code.` }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ description: "The request's id, also in X-Request-Id and in the log." }),
    code: z.enum(codes),
    errors: z
      .array(z.strictObject({ at: z.string().meta({ example: 'body/tools/0' }), message: z.string() }))
      .meta({ description: 'What was wrong where; empty when no field was.' }),
  })
  .meta({
    id: 'Problem',
    description: 'Problem details. Some codes have a member more, such as the id of what is in the way.',
  });
