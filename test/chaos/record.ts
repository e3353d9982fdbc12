/** A small, clean chaos record made by hand, for tests that spoil one thing in it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '../../chaos/entry.ts';
import type { CallRow, EpisodeRow, NoticeRow, RunRow } from '../../chaos/evidence.ts';
import type { Record } from '../../chaos/record.ts';
import type { Effect } from '../../sandbox/composio/state/journal.ts';

/** When the record begins; everything in it happens within a few seconds of this. */
export const T0 = Date.parse('2026-11-21T12:00:00.000Z');
export const USER = 'user-0000';
export const TOKEN = 'tk-0-1-1-z';

export function effect(change: Partial<Effect> = {}): Effect {
  return {
    seq: 1,
    at: new Date(T0 + 1_000).toISOString(),
    slug: 'SLACK_SEND_MESSAGE',
    toolkit: 'slack',
    accountId: 'ca_0',
    accountOwner: USER,
    userId: USER,
    arguments: { channel: 'general', markdown_text: `canary-0000-z ${TOKEN}` },
    logId: 'log_1',
    readOnly: false,
    ...change,
  };
}

export function run(change: Partial<RunRow> = {}): RunRow {
  return {
    id: 'r1',
    user: USER,
    key: 'key-1',
    status: 'completed',
    error: null,
    message: null,
    isLocking: false,
    createdAt: T0,
    finishedAt: T0 + 2_000,
    ...change,
  };
}

export function call(change: Partial<CallRow> = {}): CallRow {
  return {
    runId: 'r1',
    id: 'c1',
    user: USER,
    tool: 'SLACK_SEND_MESSAGE',
    isWrite: true,
    token: TOKEN,
    accountId: 'ca_0',
    status: 'done',
    attempts: 1,
    startedAt: T0 + 900,
    finishedAt: T0 + 1_100,
    error: null,
    ...change,
  };
}

export function notice(change: Partial<NoticeRow> = {}): NoticeRow {
  return {
    id: 'n1',
    user: USER,
    type: 'run.completed',
    app: null,
    runId: 'r1',
    key: 'run:r1:end',
    delivery: 'delivered',
    createdAt: T0 + 2_000,
    ...change,
  };
}

export function arrival(change: Partial<Record['arrivals'][number]> = {}): Record['arrivals'][number] {
  return {
    at: T0 + 2_100,
    id: 'n1',
    type: 'run.completed',
    userId: USER,
    app: null,
    runId: 'r1',
    accountId: null,
    answered: 204,
    ...change,
  };
}

export function episode(change: Partial<EpisodeRow> = {}): EpisodeRow {
  return {
    id: 'e1',
    user: USER,
    app: 'slack',
    accountId: 'ca_0',
    openedAt: T0 + 600,
    closedAt: T0 + 900,
    ...change,
  };
}

const START = { is: 'op', op: 'start-run', key: 'key-1', user: USER } as const;
const AUDIT: Entry = { at: T0 + 4_000, is: 'op', op: 'audit', phase: 'ok' };
export const startedAs = (runId: string): Entry => ({ ...START, at: T0, phase: 'ok', runId });

/** One run with one write that was done, told, and is over. */
export function cleanRecord(change: Partial<Record> = {}): Record {
  return {
    info: { seed: 1, minutes: 1, command: 'npm run chaos', sabotage: '' },
    entries: [startedAs('r1'), AUDIT],
    effects: [effect()],
    modelRequests: [{ at: new Date(T0).toISOString(), seq: 1, users: [USER] }],
    oddExecutions: [],
    arrivals: [arrival()],
    accounts: [
      { id: 'ca_0', user: USER, app: 'slack', status: 'ACTIVE', revokedAtProvider: false, createdAt: T0 },
    ],
    runs: [run()],
    calls: [call()],
    episodes: [],
    notices: [notice()],
    workflows: [{ workflowId: 'run-r1', type: 'agentRun', status: 'COMPLETED' }],
    progress: [{ at: T0 + 900 }],
    ...change,
  };
}

/** The record as the files that a chaos run leaves. */
export function writeRecord(folder: string, record: Record): void {
  mkdirSync(join(folder, 'composio'), { recursive: true });
  const files: { readonly [file: string]: readonly unknown[] } = {
    'operations.jsonl': record.entries,
    'composio/composio-effects.jsonl': record.effects,
    'model-requests.jsonl': record.modelRequests,
    'composio-requests.jsonl': record.oddExecutions,
    'notices.jsonl': record.arrivals,
    'accounts.jsonl': record.accounts,
    'runs.jsonl': record.runs,
    'tool-calls.jsonl': record.calls,
    'episodes.jsonl': record.episodes,
    'notice-rows.jsonl': record.notices,
    'workflows.jsonl': record.workflows,
    'progress.jsonl': record.progress,
  };
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record.info));
  for (const [name, lines] of Object.entries(files))
    writeFileSync(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
