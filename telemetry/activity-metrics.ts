/**
 * What activities made of their work, read from their results: these are ids, names, statuses and counts by design. Counted
 * where an activity ends, so one whose worker is lost in that moment may be missed or counted twice.
 */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { Counter, Histogram, type Registry } from 'prom-client';

/** A person connects within a minute, or after a mail, or after a week. */
const CONNECT_SECONDS = [15, 30, 60, 120, 300, 900, 3_600, 6 * 3_600, 86_400, 3 * 86_400, 7 * 86_400];

type Result = Readonly<Record<string, unknown>>;
type Count = (args: Result, result: Result) => void;

export function createActivityMetrics(registry: Registry): ActivityInterceptorsFactory {
  const counts = countsOf(registry);
  return ({ info }) => {
    const count = counts[info.activityType];
    if (!count) return {};
    return {
      inbound: {
        execute: async (input, next) => {
          const result = await next(input);
          count((input.args[0] ?? {}) as Result, (result ?? {}) as Result);
          return result;
        },
      },
    };
  };
}

function countsOf(registry: Registry): Readonly<Record<string, Count>> {
  const registers = [registry];
  const runs = new Counter({
    name: 'bellhop_runs_ended_total',
    help: 'Runs that have ended, by status and error code.',
    labelNames: ['status', 'error'],
    registers,
  });
  const calls = new Counter({
    name: 'bellhop_tool_calls_total',
    help: 'Tool calls by outcome; needs_…: the call waits for a person and is counted again when it goes on.',
    labelNames: ['outcome'],
    registers,
  });
  const flows = new Counter({
    name: 'bellhop_connect_flows_ended_total',
    help: 'Connection flows that have ended. Conversion is completed by all.',
    labelNames: ['app', 'status'],
    registers,
  });
  const connecting = new Histogram({
    name: 'bellhop_connect_duration_seconds',
    help: 'From the opening of a completed flow to its end.',
    buckets: CONNECT_SECONDS,
    registers,
  });
  const swept = new Counter({
    name: 'bellhop_sweep_total',
    help: 'What the sweep found and mended. Lost and failedParts should stand still.',
    labelNames: ['what'],
    registers,
  });
  const countFlow: Count = ({ app }, { status, openForMs }) => {
    if (typeof status !== 'string' || status === 'open') return;
    flows.inc({ app: String(app), status });
    if (status === 'completed' && typeof openForMs === 'number') connecting.observe(openForMs / 1_000);
  };
  return {
    beginRun: (_, { status }) => {
      if (status === 'failed') runs.inc({ status, error: 'connection_required' });
    },
    callModel: (_, { kind }) => {
      if (kind === 'completed') runs.inc({ status: 'completed', error: '' });
    },
    endRun: ({ end }, { status }) => {
      const code = (end as { code?: unknown } | undefined)?.code;
      const error = status === 'failed' && typeof code === 'string' ? code : '';
      runs.inc({ status: String(status), error });
    },
    executeTool: (_, { status }) => calls.inc({ outcome: String(status) }),
    checkFlow: countFlow,
    closeEndedFlow: countFlow,
    sweepAll: (_, result) => {
      for (const [what, n] of Object.entries(result)) if (typeof n === 'number') swept.inc({ what }, n);
    },
  };
}
