/** Reads a log folder back into memory: everything the checks judge by. It judges nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Effect } from '../sandbox/composio/state/journal.ts';
import type { ModelRequest, OddExecution } from './collector.ts';
import type { Entry } from './entry.ts';
import type {
  AccountRow,
  CallRow,
  EpisodeRow,
  NoticeRow,
  ProgressRow,
  RunRow,
  WorkflowRow,
} from './evidence.ts';
import type { Arrival } from './receiver.ts';

export type RunInfo = {
  readonly seed: number;
  readonly minutes: number;
  readonly command: string;
  readonly sabotage: string;
};

export type Record = {
  readonly info: RunInfo;
  readonly entries: readonly Entry[];
  /** The sandbox's own journal: what really happened. */
  readonly effects: readonly Effect[];
  readonly modelRequests: readonly ModelRequest[];
  readonly oddExecutions: readonly OddExecution[];
  readonly arrivals: readonly Arrival[];
  readonly accounts: readonly AccountRow[];
  readonly runs: readonly RunRow[];
  readonly calls: readonly CallRow[];
  readonly episodes: readonly EpisodeRow[];
  readonly notices: readonly NoticeRow[];
  readonly workflows: readonly WorkflowRow[];
  readonly progress: readonly ProgressRow[];
};

/** @throws when a file that every whole run writes is missing: no evidence is not innocence. */
export function readRecord(folder: string): Record {
  const lines = (name: string): readonly unknown[] => {
    const file = join(folder, name);
    if (!existsSync(file)) throw new Error(`${name} is missing: the run did not come to its end`);
    const text = readFileSync(file, 'utf8');
    return text
      .slice(0, text.lastIndexOf('\n') + 1) // a process that was killed may leave half a line
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
  };
  return {
    info: JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as RunInfo,
    entries: lines('operations.jsonl') as readonly Entry[],
    effects: lines('composio/composio-effects.jsonl') as readonly Effect[],
    modelRequests: lines('model-requests.jsonl') as readonly ModelRequest[],
    oddExecutions: lines('composio-requests.jsonl') as readonly OddExecution[],
    arrivals: lines('notices.jsonl') as readonly Arrival[],
    accounts: lines('accounts.jsonl') as readonly AccountRow[],
    runs: lines('runs.jsonl') as readonly RunRow[],
    calls: lines('tool-calls.jsonl') as readonly CallRow[],
    episodes: lines('episodes.jsonl') as readonly EpisodeRow[],
    notices: lines('notice-rows.jsonl') as readonly NoticeRow[],
    workflows: lines('workflows.jsonl') as readonly WorkflowRow[],
    progress: lines('progress.jsonl') as readonly ProgressRow[],
  };
}

export function groupBy<T>(items: readonly T[], key: (item: T) => string | null): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    if (name === null) continue;
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}
