/**
 * Calls to Composio and to the model as one process made them: how many, how long, how they ended. Labels are operations,
 * apps and kinds of failure; a model's name is the caller's text, so it is none.
 */
import { Counter, Histogram, type Registry } from 'prom-client';
import { ComposioFailure } from '../composio/failure.ts';
import type { BudgetStats } from '../composio/request-budget.ts';
import { REQUEST_CLASSES } from '../domain/request-budget.ts';
import { ModelFailure } from '../model/failure.ts';
import type { WatchComposio, WatchModel } from './watched-ports.ts';

/** An execution may take a minute, a model's answer two. */
const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export function createComposioMetrics(registry: Registry): WatchComposio {
  const duration = new Histogram({
    name: 'bellhop_composio_call_duration_seconds',
    help: 'Calls to Composio, waiting for the request budget included; an outcome is ok or the kind of the failure.',
    labelNames: ['operation', 'outcome'],
    buckets: SECONDS,
    registers: [registry],
  });
  const executions = new Counter({
    name: 'bellhop_composio_executions_total',
    help: 'Execute requests by app. refused: the tool answered that it did not succeed.',
    labelNames: ['app', 'outcome'],
    registers: [registry],
  });
  return async (call, work) => {
    const stop = duration.startTimer({ operation: call.operation });
    const end = (outcome: string): void => {
      stop({ outcome });
      if (call.operation === 'execute') executions.inc({ app: call.app ?? 'none', outcome });
    };
    try {
      const answer = await work();
      end(isRefusal(answer) ? 'refused' : 'ok');
      return answer;
    } catch (error) {
      end(error instanceof ComposioFailure ? error.kind : 'aborted');
      throw error;
    }
  };
}

function isRefusal(answer: unknown): boolean {
  return (answer as { successful?: unknown } | null | undefined)?.successful === false;
}

export function createModelMetrics(registry: Registry): WatchModel {
  const duration = new Histogram({
    name: 'bellhop_model_call_duration_seconds',
    help: 'Calls to the model; an outcome is the finish reason or the kind of the failure.',
    labelNames: ['outcome'],
    buckets: SECONDS,
    registers: [registry],
  });
  const tokens = new Counter({
    name: 'bellhop_model_tokens_total',
    help: 'Tokens that the model’s provider counted, as this process was told.',
    labelNames: ['direction'],
    registers: [registry],
  });
  return async (work) => {
    const stop = duration.startTimer();
    try {
      const completion = await work();
      stop({ outcome: completion.finishReason });
      tokens.inc({ direction: 'input' }, completion.usage.inputTokens);
      tokens.inc({ direction: 'output' }, completion.usage.outputTokens);
      return completion;
    } catch (error) {
      stop({ outcome: error instanceof ModelFailure ? error.kind : 'aborted' });
      throw error;
    }
  };
}

/** What this process took of the organisation's request budget, by who waits for it. */
export function registerBudgetMetrics(registry: Registry, budget: { stats(): BudgetStats }): void {
  const permits: Counter = new Counter({
    name: 'bellhop_composio_permits_total',
    help: 'Permits of the request budget: used, waited for first, or refused because the wait was too long.',
    labelNames: ['class', 'outcome'],
    registers: [registry],
    collect: () => {
      permits.reset();
      const stats = budget.stats();
      for (const requestClass of REQUEST_CLASSES) {
        const { used, waited, refused } = stats[requestClass];
        permits.inc({ class: requestClass, outcome: 'used' }, used);
        permits.inc({ class: requestClass, outcome: 'waited' }, waited);
        permits.inc({ class: requestClass, outcome: 'refused' }, refused);
      }
    },
  });
  const pauses: Counter = new Counter({
    name: 'bellhop_composio_rate_limited_total',
    help: 'Answers 429 of Composio that paused the organisation’s budget.',
    registers: [registry],
    collect: () => {
      pauses.reset();
      pauses.inc(budget.stats().pauses);
    },
  });
}
