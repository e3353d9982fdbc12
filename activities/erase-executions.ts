/**
 * Deletes the workflow executions of one user: their inputs, memos and search attributes name the user. Which there were is
 * in the rows; runs that went on as new, and those whose rows retention took, are found by Temporal's own list.
 */
import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { type WorkflowRow, pageWorkflowRows } from '../db/erase-user.ts';
import type { Database } from '../db/pool.ts';
import { asSystem } from '../db/scope.ts';
import { USER_ATTRIBUTE, flowWorkflowId, noticeWorkflowId, runWorkflowId } from '../workflows/messages.ts';

const KINDS: readonly WorkflowRow['kind'][] = ['run', 'flow', 'notice'];
/** Ids per question to Temporal's list, which takes ten questions a second: a query of some 3 kB. */
const BATCH = 50;
/** Requests side by side; more would only take the server from runs. */
const AT_ONCE = 8;
/** A deletion and the list that shows it are some hundred milliseconds behind; after this the step is tried again. */
const SETTLE_MS = 30_000;
const LOOK_MS = 250;

type Execution = { readonly workflowId: string; readonly runId: string };

/** The ids of workflows that this user's rows had, some at a time. */
export async function forEachWorkflow(
  db: Database,
  userId: string,
  work: (workflowIds: readonly string[]) => Promise<void>,
): Promise<void> {
  for (const kind of KINDS) {
    for (let after = ''; ;) {
      const page = { userId, kind, after, limit: BATCH };
      const rows = await asSystem(db, (tx) => pageWorkflowRows(tx, page));
      if (rows.length > 0) await work(rows.flatMap(workflowIdsOf));
      if (rows.length < BATCH) break;
      after = rows.at(-1)?.id ?? '';
    }
  }
}

function workflowIdsOf(row: WorkflowRow): readonly string[] {
  if (row.kind === 'run') return [runWorkflowId(row.id)];
  if (row.kind === 'flow') return [flowWorkflowId(row.id)];
  return row.channels.map((channel) => noticeWorkflowId(row.id, channel));
}

/** Safe to repeat. @returns how many were deleted. @throws when some are still shown after a while. */
export async function deleteAllExecutions(
  db: Database,
  userId: string,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  await forEachWorkflow(db, userId, async (workflowIds) => {
    const quoted = workflowIds.map((id) => `'${id}'`).join(', ');
    deleted += await deleteUntilGone(`WorkflowId IN (${quoted})`, workflowIds, signal);
  });
  // A user id holds no quote (domain/user-id.ts). A namespace without our search attributes has nothing to find by them.
  return deleted + (await deleteUntilGone(`${USER_ATTRIBUTE.name} = '${userId}'`, [], signal));
}

/** Those that the list shows, and the newest of each id: what began a moment ago is not on the list yet. */
async function deleteUntilGone(
  query: string,
  workflowIds: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const seen = new Set<string>();
  const untilMs = performance.now() + SETTLE_MS;
  for (;;) {
    signal.throwIfAborted();
    const found = [...(await listExecutions(query)), ...(await findNewest(workflowIds))];
    if (found.length === 0) return seen.size;
    if (performance.now() > untilMs) throw new Error('executions are still shown after their deletion');
    await inTurns(
      found.filter(({ runId }) => !seen.has(runId)),
      async (execution) => {
        await deleteExecution(execution);
        seen.add(execution.runId);
      },
    );
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function listExecutions(query: string): Promise<readonly Execution[]> {
  const found: Execution[] = [];
  try {
    for await (const { workflowId, runId } of Context.current().client.workflow.list({ query }))
      found.push({ workflowId, runId });
  } catch (error) {
    if (!isUnknownAttribute(error)) throw error;
  }
  return found;
}

async function findNewest(workflowIds: readonly string[]): Promise<readonly Execution[]> {
  const found: Execution[] = [];
  await inTurns(workflowIds, async (workflowId) => {
    try {
      const { runId } = await Context.current().client.workflow.getHandle(workflowId).describe();
      found.push({ workflowId, runId });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  });
  return found;
}

/** One that runs is terminated by it. */
async function deleteExecution({ workflowId, runId }: Execution): Promise<void> {
  const { client } = Context.current();
  try {
    await client.workflowService.deleteWorkflowExecution({
      namespace: client.options.namespace,
      workflowExecution: { workflowId, runId },
    });
  } catch (error) {
    // gRPC's NOT_FOUND: it is gone.
    if ((error as { code?: unknown }).code !== 5) throw error;
  }
}

/** gRPC's INVALID_ARGUMENT for a list by an attribute that the namespace lacks. */
function isUnknownAttribute(error: unknown): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause)
    if ((e as { code?: unknown }).code === 3) return true;
  return false;
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const next = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}
