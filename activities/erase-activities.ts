/**
 * The steps of an erasure. Each finds its user by the erasure's id and has nothing to do when the user is gone, so each may
 * be repeated; none is given up, for a half-erased user is nobody's wish.
 */
import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { ComposioFailure } from '../composio/failure.ts';
import { deleteSomeRuns, finishErasure, readStillOpen } from '../db/erase-user.ts';
import { addToReport, findErasedUser } from '../db/erasures.ts';
import { asSystem } from '../db/scope.ts';
import { toEntityId } from '../domain/user-id.ts';
import { type EraseUserInput, runWorkflowId } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { endRunOnce } from './end-run.ts';
import { deleteAllExecutions, forEachWorkflow } from './erase-executions.ts';
import { running } from './running.ts';

/** Short beside the seconds that a run takes to end; each look is two small statements. */
const LOOK_MS = 250;
/** A start that was accepted reaches Temporal within about 10 s; a run without a workflow after this has none. */
const UNSTARTED_MS = 15_000;
/** Beyond the tool deadline: what was sent is recorded, and the run ends. */
const GRACE_MS = 5_000;
/** Runs per transaction: with their messages and events a few thousand rows. */
const BATCH = 100;

export function createEraseActivities(deps: ActivityDeps) {
  /** The user of this erasure in hand, or nothing when they are gone. */
  const withUser = (
    { erasureId }: EraseUserInput,
    work: (userId: string, signal: AbortSignal) => Promise<void>,
  ): Promise<void> =>
    running(async ({ cancellationSignal }) => {
      const userId = await asSystem(deps.db, (tx) => findErasedUser(tx, erasureId));
      if (userId !== null) await work(userId, cancellationSignal);
    });

  return {
    /** Tells the user's runs to end, and waits until they have, for as long as a sent tool call may take. */
    async endUsersWork(input: EraseUserInput): Promise<void> {
      return withUser(input, async (userId, signal) => {
        const untilMs = performance.now() + deps.settings.toolTimeoutMs + GRACE_MS;
        const told = new Set<string>();
        while (performance.now() < untilMs) {
          signal.throwIfAborted();
          const { runs, busyMs } = await asSystem(deps.db, (tx) => readStillOpen(tx, userId));
          if (runs.length === 0 && busyMs === 0) return;
          for (const run of runs) await endRun(deps, { ...run, userId }, told);
          await pause(LOOK_MS);
        }
      });
    },

    /** Ends what did not end by itself, and waits out what it had sent. */
    async terminateWorkflows(input: EraseUserInput): Promise<void> {
      return withUser(input, async (userId, signal) => {
        const { client } = Context.current();
        await forEachWorkflow(deps.db, userId, async (workflowIds) => {
          signal.throwIfAborted();
          for (const id of workflowIds)
            await client.workflow.getHandle(id).terminate('its user is erased').catch(ignoreGone);
        });
        const untilMs = performance.now() + deps.settings.toolTimeoutMs + GRACE_MS;
        while (performance.now() < untilMs) {
          signal.throwIfAborted();
          const { busyMs } = await asSystem(deps.db, (tx) => readStillOpen(tx, userId));
          if (busyMs === 0) return;
          await pause(Math.min(LOOK_MS, busyMs));
        }
      });
    },

    /** Every account of the entity at Composio, wherever it was made. */
    async deleteConnections(input: EraseUserInput): Promise<void> {
      return withUser(input, async (userId, signal) => {
        const entity = deps.composio.forEntity(toEntityId(userId));
        const refused = new Set<string>();
        for (;;) {
          // Until a list shows none: an account may have been made while the one before was read.
          const accounts = (await entity.connections(null, { signal })).filter(({ id }) => !refused.has(id));
          if (accounts.length === 0) break;
          for (const { id } of accounts) {
            signal.throwIfAborted();
            const isDeleted = await disconnect(() => entity.disconnect(id, { signal }));
            if (!isDeleted) refused.add(id);
            const counted = isDeleted ? { connections: 1 } : { connectionsRefused: 1 };
            await asSystem(deps.db, (tx) => addToReport(tx, input.erasureId, counted));
          }
        }
      });
    },

    async deleteExecutions(input: EraseUserInput): Promise<void> {
      return withUser(input, async (userId, signal) => {
        const executions = await deleteAllExecutions(deps.db, userId, signal);
        await asSystem(deps.db, (tx) => addToReport(tx, input.erasureId, { executions }));
      });
    },

    async deleteRows(input: EraseUserInput): Promise<void> {
      return withUser(input, async (userId, signal) => {
        let deleted = BATCH;
        while (deleted === BATCH) {
          signal.throwIfAborted();
          deleted = await asSystem(deps.db, (tx) => deleteSomeRuns(tx, userId, BATCH));
        }
        await asSystem(deps.db, (tx) => finishErasure(tx, { erasureId: input.erasureId, userId }));
      });
    },
  };
}

/** Its row says already that it is to end; its workflow is told once, and one that never began has none. */
async function endRun(
  deps: ActivityDeps,
  run: { id: string; userId: string; ageMs: number },
  told: Set<string>,
): Promise<void> {
  if (told.has(run.id)) return;
  try {
    await Context.current().client.workflow.getHandle(runWorkflowId(run.id)).cancel();
    told.add(run.id);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    if (run.ageMs > UNSTARTED_MS) await endRunOnce(deps, run, { status: 'cancelled' });
  }
}

/** @returns false when Composio refuses this one for good. @throws what may pass: the step is tried again. */
async function disconnect(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof ComposioFailure && error.kind === 'rejected') return false;
    throw error;
  }
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
