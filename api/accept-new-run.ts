/**
 * POST /v1/runs from its parsed body to the run as it is: the key, the user, the tools, the row, the workflow. A run
 * exists when its row does; the row goes again only when Temporal has provably refused the start.
 */
import type { Logger } from 'pino';
import type { NewRun } from '../db/accept-run.ts';
import { acceptRun, withdrawRun } from '../db/accept-run.ts';
import {
  claimIdempotencyKey,
  releaseIdempotencyKey,
  renewIdempotencyClaim,
  settleIdempotencyKey,
} from '../db/idempotency.ts';
import { newId, sha256Hex } from '../db/ids.ts';
import { asSystem, asSystemWithin, forUser } from '../db/scope.ts';
import { canonicalJson } from '../domain/json.ts';
import type { Json } from '../domain/json.ts';
import { DEFAULT_LIMITS } from '../domain/limits.ts';
import { ComposioFailure } from '../composio/failure.ts';
import type { Principal } from './auth.ts';
import type { ApiDeps } from './deps.ts';
import { ApiProblem } from './problem-codes.ts';
import { requireUser, withUser } from './require-user.ts';
import type { NewRunBody } from './schemas/run.ts';
import { startRun } from './start-run.ts';
import { temporalUnavailable } from './temporal-errors.ts';

// The contract's, for all of it: a check that takes longer is answered with the run as it is.
const CHECK_DEADLINE_MS = 5_000;
// Composio unreachable for longer than this must not keep a run from being accepted: the run checks its tools itself.
const TOOL_CHECK_MS = 3_000;
/** Seconds; an acceptance takes about 5 s at most, usually a fraction of one. */
const ACCEPTING_RETRY_S = '1';

export type NewRunRequest = {
  readonly body: NewRunBody;
  readonly idempotencyKey: string | undefined;
  readonly waitForCheck: boolean;
  readonly principal: Principal;
  readonly log: Logger;
};

/** @returns the id of the run, and whether an earlier request with the same key made it. */
export async function acceptNewRun(
  deps: ApiDeps,
  request: NewRunRequest,
): Promise<{ runId: string; isReplay: boolean }> {
  const runId = newId();
  const { idempotencyKey: key, principal } = request;
  if (key === undefined) {
    await accept(deps, request, runId, null);
    return { runId, isReplay: false };
  }
  const claim = { owner: principal.keyId, key, bodyDigest: digestOf(request.body), runId };
  const claimed = await asSystem(deps.db, (tx) => claimIdempotencyKey(tx, claim));
  if (claimed.kind === 'replay') return { runId: claimed.runId, isReplay: true };
  if (claimed.kind === 'mismatch') throw new ApiProblem('idempotency_key_reused');
  if (claimed.kind === 'accepting') {
    throw stillAccepting();
  }
  try {
    await accept(deps, request, runId, claim);
  } catch (error) {
    // A commit whose answer was lost may have been made, or may yet be: the claim ages out by itself, or finds its run.
    if (!(error instanceof ApiProblem)) throw error;
    // A 4xx or a 503 does not use the key up. When this fails too, the claim ages out by itself.
    await asSystem(deps.db, (tx) => releaseIdempotencyKey(tx, claim)).catch((cause: unknown) =>
      request.log.warn({ err: cause }, 'an idempotency key was not released'),
    );
    throw error;
  }
  await asSystem(deps.db, (tx) => settleIdempotencyKey(tx, claim));
  return { runId, isReplay: false };
}

/** Equal bodies have equal digests, whatever the order of their members and whether defaults were written out. */
function digestOf(body: NewRunBody): string {
  return sha256Hex(canonicalJson(JSON.parse(JSON.stringify(body)) as Json));
}

function stillAccepting(): ApiProblem {
  return new ApiProblem('idempotency_in_progress', { headers: { 'retry-after': ACCEPTING_RETRY_S } });
}

type Claim = { readonly owner: string; readonly key: string; readonly runId: string };

async function accept(
  deps: ApiDeps,
  request: NewRunRequest,
  runId: string,
  claim: Claim | null,
): Promise<void> {
  const deadline = Date.now() + CHECK_DEADLINE_MS;
  const { body, log } = request;
  await requireUser(deps.db, body.userId);
  const apps = await checkTools(deps, body.tools, log);
  const run = toNewRun(deps, body, runId);
  const acceptance = await withUser(deps.db, body.userId, async (tx) => {
    // Whoever was held up for long may have lost the key to a repetition of this very request.
    const isLost = claim && !(await asSystemWithin(tx, (system) => renewIdempotencyClaim(system, claim)));
    if (isLost) throw stillAccepting();
    return acceptRun(tx, run);
  });
  if (acceptance.kind === 'thread_busy') {
    throw new ApiProblem('thread_busy', { members: { runId: acceptance.runId } });
  }
  const start = await startRun(
    deps.temporal,
    deps.taskQueue,
    { ...run, apps },
    { waitForCheck: request.waitForCheck, deadline },
  );
  if (start.kind === 'refused') {
    await forUser(deps.db, body.userId, (tx) => withdrawRun(tx, run));
    throw temporalUnavailable(start.cause);
  }
  if (start.kind === 'started_or_unknown' && start.cause !== undefined) {
    log.warn({ err: start.cause, runId }, 'the connection check of a run was not answered in time');
  }
}

/** @returns the apps that the tools need, as far as Composio can be asked. */
async function checkTools(deps: ApiDeps, slugs: readonly string[], log: Logger): Promise<readonly string[]> {
  let known: ReadonlySet<string>;
  let apps: readonly string[];
  try {
    const tools = await deps.composio.getTools(slugs, { signal: AbortSignal.timeout(TOOL_CHECK_MS) });
    known = new Set(tools.map((tool) => tool.slug));
    apps = [...new Set(tools.filter((tool) => !tool.noAuth).map((tool) => tool.app))].sort();
  } catch (error) {
    const isOutage =
      error instanceof ComposioFailure ||
      (error instanceof Error && /^(Abort|Timeout)Error$/.test(error.name));
    if (!isOutage) throw error;
    log.warn({ err: error }, 'tools could not be checked; the run will');
    return [];
  }
  const unknown = slugs.flatMap((slug, i) => (known.has(slug) ? [] : [{ at: `body/tools/${i}`, slug }]));
  if (unknown.length === 0) return apps;
  throw new ApiProblem('tool_unknown', {
    detail: `Composio knows no tool named ${unknown.map(({ slug }) => slug).join(', ')}.`,
    errors: unknown.map(({ at, slug }) => ({ at, message: `${slug} is not a tool` })),
  });
}

function toNewRun(deps: ApiDeps, body: NewRunBody, id: string): NewRun {
  return {
    id,
    userId: body.userId,
    threadId: body.threadId ?? newId(),
    task: body.task,
    instructions: body.instructions ?? null,
    model: body.model ?? null,
    tools: body.tools,
    onMissingConnection: body.onMissingConnection,
    connectTimeoutMs: body.connectTimeout ?? deps.connect.timeoutMs,
    approvals: {
      require: body.approvals?.require ?? 'none',
      timeoutMs: body.approvals?.timeout ?? 86_400_000,
    },
    onUnknownOutcome: body.onUnknownOutcome,
    limits: {
      maxTurns: body.limits?.maxTurns ?? DEFAULT_LIMITS.maxTurns,
      maxToolCalls: body.limits?.maxToolCalls ?? DEFAULT_LIMITS.maxToolCalls,
      maxTokens: body.limits?.maxTokens ?? DEFAULT_LIMITS.maxTokens,
      deadlineMs: body.limits?.deadline ?? DEFAULT_LIMITS.deadlineMs,
    },
    metadata: (body.metadata ?? {}) as NewRun['metadata'],
  };
}
