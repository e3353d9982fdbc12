/** Reads what the sandboxes hold in memory while the run goes on, and keeps what the checker needs of it: one line per request. */
import { setTimeout as sleep } from 'node:timers/promises';
import { usersIn } from './cast.ts';
import { openJsonLines } from './log.ts';
import type { Stage } from './stage.ts';

/** A line of `model-requests.jsonl`: whose canaries one request to the model held. */
export type ModelRequest = { readonly at: string; readonly seq: number; readonly users: readonly string[] };
/** A line of `composio-requests.jsonl`: an execution that did not go as it should. */
export type OddExecution = {
  readonly at: string;
  readonly seq: number;
  readonly slug: string | null;
  readonly accountId: string | null;
  readonly status: number | null;
  readonly fault: string | null;
};

/** The sandboxes keep 20,000 requests; far fewer come in a second. */
const EVERY_MS = 1_000;
/** Bodies are large: a page of these is a few megabytes. */
const PAGE = 400;
/** A request that is under way has no status yet: it is read a little later. */
const SETTLE_MS = 8_000;

export type Collector = { readonly stop: () => Promise<void> };

/** `standing`: the fault rules that meet every request; they make none odd. */
export function startCollector(stage: Stage, standing: readonly string[]): Collector {
  const models = openJsonLines(stage.folder, 'model-requests.jsonl');
  const executions = openJsonLines(stage.folder, 'composio-requests.jsonl');
  const seen = { model: 0, composio: 0 };
  const readModel = async (): Promise<void> => {
    for (;;) {
      const page = await stage.model.requests({ after: seen.model, limit: PAGE });
      for (const { at, seq, body } of page) {
        const line: ModelRequest = { at, seq, users: usersIn(JSON.stringify(body)) };
        models.write(line);
        seen.model = seq;
      }
      if (page.length < PAGE) return;
    }
  };
  const readComposio = async (isLast: boolean): Promise<void> => {
    const page = await stage.composio.requests({ since: seen.composio, route: 'tools.execute' });
    for (const { at, seq, slug, accountId, status, fault } of page) {
      if (!isLast && Date.now() - Date.parse(at) < SETTLE_MS) return;
      seen.composio = seq;
      const isFaulty = (fault ?? '').split(',').some((id) => id !== '' && !standing.includes(id));
      if (!isFaulty && status === 200) continue;
      const line: OddExecution = { at, seq, slug, accountId, status, fault };
      executions.write(line);
    }
  };
  const stopping = new AbortController();
  const living = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await readModel();
        await readComposio(false);
      } catch (error) {
        // What was not read now is read next time; the last look may not fail.
        console.error(`the sandboxes could not be read: ${String(error)}`);
      }
      await sleep(EVERY_MS);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await living;
      await readModel();
      await readComposio(true);
      models.close();
      executions.close();
    },
  };
}
