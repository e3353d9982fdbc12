/** The budget of Composio requests, on the row that all processes share. Made by the main files of API and worker, one each. */
import { type RequestBudget, createRequestBudget } from '../composio/request-budget.ts';
import type { Database } from '../db/pool.ts';
import { COMPOSIO_BUDGET, createBudgetStore } from '../db/request-budget.ts';
import { budgetTerms } from '../domain/request-budget.ts';

export function createComposioBudget(db: Database, requestsPerMinute: number): RequestBudget {
  const terms = budgetTerms(requestsPerMinute);
  return createRequestBudget(terms, createBudgetStore(db, COMPOSIO_BUDGET, terms));
}
