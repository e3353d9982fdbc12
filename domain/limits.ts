/** What one run may spend. Defaults and maxima are the contract's. */
export type RunLimits = {
  readonly maxTurns: number;
  readonly maxToolCalls: number;
  readonly maxTokens: number;
  /** Active time only: waiting for people does not count. */
  readonly deadlineMs: number;
};
export const DEFAULT_LIMITS: RunLimits = {
  maxTurns: 25,
  maxToolCalls: 50,
  maxTokens: 200_000,
  deadlineMs: 30 * 60_000,
};
export const MAX_LIMITS: RunLimits = {
  maxTurns: 200,
  maxToolCalls: 500,
  maxTokens: 2_000_000,
  deadlineMs: 24 * 3_600_000,
};
