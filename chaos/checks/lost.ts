/** Whatever was accepted has ended, once: operations against rows, rows against workflows, and nothing left half done. */
import { isEndedRunStatus } from '../../domain/statuses.ts';
import type { RunStatus } from '../../domain/statuses.ts';
import type { StartRunOp } from '../entry.ts';
import { type Record, groupBy } from '../record.ts';
import type { Violation } from './violation.ts';

const AGENT_RUN = 'agentRun';

export function checkLost(record: Record): readonly Violation[] {
  return [
    ...acceptedAndGone(record),
    ...moreThanOnePerKey(record),
    ...rowsAgainstWorkflows(record),
    ...leftOpen(record),
  ].map((what) => ({ kind: 'lost' as const, what }));
}

const isEnded = (status: string): boolean => isEndedRunStatus(status as RunStatus);

function starts({ entries }: Record): readonly StartRunOp[] {
  return entries.filter((entry) => entry.is === 'op').filter((entry) => entry.op === 'start-run');
}

function acceptedAndGone(record: Record): string[] {
  const byId = new Map(record.runs.map((run) => [run.id, run]));
  const accepted = new Set(starts(record).flatMap(({ runId }) => (runId === undefined ? [] : [runId])));
  return [...accepted].flatMap((id) => {
    const run = byId.get(id);
    if (!run) return [`run ${id} was accepted and has no row`];
    return isEnded(run.status) ? [] : [`run ${id} was accepted and is ${run.status} at the end`];
  });
}

function moreThanOnePerKey(record: Record): string[] {
  const answered = groupBy(starts(record), (op) => (op.runId === undefined ? null : op.key));
  const rows = groupBy(record.runs, (run) => run.key);
  return [
    ...[...answered].flatMap(([key, ops]) => {
      const ids = new Set(ops.map((op) => op.runId));
      return ids.size > 1 ? [`key ${key} was answered with ${ids.size} runs: ${[...ids].join(', ')}`] : [];
    }),
    ...[...rows].flatMap(([key, same]) =>
      same.length > 1 ? [`key ${key} made ${same.length} runs: ${same.map(({ id }) => id).join(', ')}`] : [],
    ),
  ];
}

function rowsAgainstWorkflows({ runs, workflows }: Record): string[] {
  const ids = new Set(runs.map(({ id }) => `run-${id}`));
  const ofRuns = groupBy(workflows, (w) => (w.type === AGENT_RUN ? w.workflowId : null));
  const problems = [...ofRuns.keys()].flatMap((id) => (ids.has(id) ? [] : [`workflow ${id} has no row`]));
  for (const { id, status } of runs) {
    const same = ofRuns.get(`run-${id}`) ?? [];
    // A run that was cancelled before its workflow was started needs none.
    if (same.length === 0 && status !== 'cancelled') problems.push(`run ${id} (${status}) has no workflow`);
    if (same.length > 1) problems.push(`run ${id} has ${same.length} workflows`);
    for (const workflow of same) {
      if (workflow.status !== 'COMPLETED')
        problems.push(`workflow run-${id} is ${workflow.status}, its run ${status}`);
    }
  }
  return problems;
}

function leftOpen({ runs, calls, entries }: Record): string[] {
  const ended = new Map(runs.map((run) => [run.id, isEnded(run.status)]));
  const known = new Set(starts({ entries } as Record).map(({ runId }) => runId));
  return [
    ...runs
      .filter((run) => !isEnded(run.status) && !known.has(run.id))
      .map((run) => `run ${run.id}, whose start was never answered, is ${run.status} at the end`),
    ...runs
      .filter((run) => run.isLocking && isEnded(run.status))
      .map((run) => `run ${run.id} has ended and still locks its thread`),
    ...calls
      .filter((call) => ['pending', 'waiting', 'started'].includes(call.status) && ended.get(call.runId))
      .map((call) => `call ${call.id} of the ended run ${call.runId} is ${call.status}`),
  ];
}
