/** Histories as files: how they are written, read, and run against a bundle. For the tests of this folder and of workflows/. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Client } from '@temporalio/client';
// By default import, for Node itself sees no named ones in it.
import proto from '@temporalio/proto';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { installTestRuntime } from '../setup/runtime.ts';

export type NamedHistory = { readonly name: string; readonly workflowId: string; readonly history: unknown };

const FOLDER = import.meta.dirname;

const { History } = proto.temporal.api.history.v1;

/**
 * A history as it is now, as JSON; who ran it (process and host name) is no part of it. By the generated class itself: the
 * SDK's historyToJSON fails when its packages have two copies of protobufjs, as they do here.
 */
export async function readHistory(client: Client, workflowId: string): Promise<unknown> {
  const history = await client.workflow.getHandle(workflowId).fetchHistory();
  return JSON.parse(
    JSON.stringify(History.fromObject(history).toJSON(), (key, value: unknown) =>
      key === 'identity' || key === 'workerVersion' || key === 'binaryChecksum' ? undefined : value,
    ),
  ) as unknown;
}

/** `name`: of a file of this folder, or a path. */
export function saveHistory(name: string, workflowId: string, history: unknown): void {
  writeFileSync(resolve(FOLDER, `${name}.json`), `${JSON.stringify({ workflowId, history })}\n`);
}

/** All recorded histories, by file name. */
export function savedHistories(): readonly NamedHistory[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .toSorted((a, b) => a.localeCompare(b))
    .map((file) => ({
      name: file.replace(/\.json$/, ''),
      ...(JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Omit<NamedHistory, 'name'>),
    }));
}

/** Runs each history against the bundle. @returns by name what went wrong, null where nothing did. */
export async function replay(
  workflowBundle: WorkflowBundleOption,
  histories: readonly NamedHistory[],
): Promise<ReadonlyMap<string, string | null>> {
  installTestRuntime();
  // The names are told apart by workflow id; recorded runs of one workflow may share theirs.
  const items = histories.map(({ name, history }) => ({
    workflowId: name,
    history: History.fromObject(history as object),
  }));
  const errors = new Map<string, string | null>();
  for await (const result of Worker.runReplayHistories({ workflowBundle, replayName: 'recorded' }, items))
    errors.set(result.workflowId, result.error === undefined ? null : result.error.message);
  return errors;
}
