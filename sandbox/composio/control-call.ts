/** One call of the control API as its groups of routes see it. */
import type { SandboxState } from './state/sandbox-state.ts';

export type ControlCall = {
  readonly state: SandboxState;
  readonly method: string;
  /** Below `/_sandbox/`, decoded. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
};
/** Undefined: this group has no such route. */
export type ControlAnswer = { readonly status: number; readonly value: unknown } | undefined;
