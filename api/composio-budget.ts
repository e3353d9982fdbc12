/** The budget of Composio requests, on the row that all processes share. Made by the main files of API and worker, one each. */
import { type RequestBudget, createRequestBudget } from '../composio/request-budget.ts';
import { listenTo } from '../db/listen.ts';
import type { Database } from '../db/pool.ts';
import { COMPOSIO_BUDGET, PAUSE_CHANNEL, createBudgetStore } from '../db/request-budget.ts';
import { budgetTerms } from '../domain/request-budget.ts';

export type ComposioBudgetOptions = {
  readonly requestsPerMinute: number;
  /** A database URL that keeps its connection; null: another process' pause is learned with the next lease, half a second later at most. */
  readonly listenUrl: string | null;
  /** Of the listening connection. */
  readonly name: string;
  readonly onListenerLost: (error: unknown) => void;
};

export function createComposioBudget(
  db: Database,
  { requestsPerMinute, listenUrl, name, onListenerLost }: ComposioBudgetOptions,
): RequestBudget & { close(): Promise<void> } {
  const terms = budgetTerms(requestsPerMinute);
  const budget = createRequestBudget(terms, createBudgetStore(db, COMPOSIO_BUDGET, terms));
  const listener =
    listenUrl === null
      ? null
      : listenTo(PAUSE_CHANNEL, {
          url: listenUrl,
          name,
          onTold: (ms) => budget.heardPause(Number(ms) || 0),
          onReady: () => undefined,
          onLost: onListenerLost,
        });
  return { ...budget, close: async () => await listener?.close() };
}
