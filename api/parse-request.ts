/** One part of a request through its schema; what does not fit is told field by field, without repeating the value. */
import { z } from 'zod';
import { findHostileText } from './hostile-text.ts';
import type { ProblemError } from './problem-codes.ts';
import { ApiProblem } from './problem-codes.ts';

export type RequestPart = 'path' | 'query' | 'header' | 'body';

// One line per fault helps; a hundred do not, and a body can have thousands.
const MAX_ERRORS = 20;

/** @throws ApiProblem invalid_request. */
export function parsePart(part: RequestPart, schema: z.ZodType, value: unknown): unknown {
  const hostile = findHostileText(value, part);
  if (hostile) throw new ApiProblem('invalid_request', { errors: [hostile] });
  const result = schema.safeParse(value, { reportInput: false });
  if (result.success) return result.data;
  throw new ApiProblem('invalid_request', { errors: toErrors(part, result.error.issues) });
}

function toErrors(part: RequestPart, issues: readonly z.core.$ZodIssue[]): ProblemError[] {
  const errors: ProblemError[] = [];
  for (const issue of issues.slice(0, MAX_ERRORS)) {
    const at = [part, ...issue.path.map(String)].join('/');
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys.slice(0, MAX_ERRORS))
        errors.push({ at: `${at}/${key}`, message: 'is not known here' });
    } else {
      errors.push({ at, message: issue.message });
    }
  }
  return errors;
}

/** Of the headers, the ones that the schema names; others belong to proxies and browsers. */
export function pickHeaders(schema: z.ZodType, headers: NodeJS.Dict<string[]>): Record<string, string> {
  const picked: Record<string, string> = {};
  if (!(schema instanceof z.ZodObject)) return picked;
  for (const name of Object.keys(schema.shape as Record<string, unknown>)) {
    const values = headers[name];
    if (values === undefined) continue;
    if (values.length > 1)
      throw new ApiProblem('invalid_request', {
        errors: [{ at: `header/${name}`, message: 'is given more than once' }],
      });
    picked[name] = values[0] ?? '';
  }
  return picked;
}
