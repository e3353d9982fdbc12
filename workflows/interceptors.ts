/**
 * What every workflow carries along without knowing it: the trace that its start came with, handed on to its activities, and
 * the ids of its input, on its log lines. OpenTelemetry itself stays outside: its own interceptors for workflows draw random
 * numbers and yield, so that switching traces on would break the replay of whatever waits.
 */
import type { Headers, Payload } from '@temporalio/common';
import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';
import { LOG_IDS, TRACE_HEADER } from './messages.ts';

export const interceptors: WorkflowInterceptorsFactory = () => {
  let trace: Payload | undefined;
  let ids: Record<string, unknown> = {};
  // Not async: a promise more would change the order in which things happen.
  const traced = <I extends { readonly headers: Headers }>(input: I): I =>
    trace === undefined ? input : { ...input, headers: { ...input.headers, [TRACE_HEADER]: trace } };
  return {
    inbound: [
      {
        execute: (input, next) => {
          trace = input.headers[TRACE_HEADER];
          const args = (input.args[0] ?? {}) as Record<string, unknown>;
          for (const name of LOG_IDS)
            if (typeof args[name] === 'string') ids = { ...ids, [name]: args[name] };
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next(traced(input)),
        scheduleLocalActivity: (input, next) => next(traced(input)),
        continueAsNew: (input, next) => next(traced(input)),
        // What the SDK calls `runId` is Temporal's; ours is the one that everybody asks for.
        getLogAttributes: (input, next) => next({ ...input, temporalRunId: input['runId'], ...ids }),
      },
    ],
  };
};
