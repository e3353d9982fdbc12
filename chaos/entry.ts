/** The lines of the operation log (`operations.jsonl`): what was asked, what went wrong on purpose, what started and ended. Types only. */
import type { Fault } from './fault.ts';

/** As Jepsen names them: `ok` it happened, `fail` it did not, `info` nobody knows. */
export type Phase = 'invoke' | 'ok' | 'fail' | 'info';

export type StartRunOp = {
  readonly is: 'op';
  readonly op: 'start-run';
  readonly phase: Phase;
  /** The idempotency key: the same through all tries. */
  readonly key: string;
  readonly user: string;
  readonly runId?: string;
  readonly status?: number;
  readonly replayed?: boolean;
};
export type RunOp = {
  readonly is: 'op';
  readonly op: 'cancel-run' | 'saw-waiting' | 'saw-end';
  readonly phase: Phase;
  readonly user: string;
  readonly runId: string;
  readonly status?: string | number;
  /** Of `saw-waiting`: the apps that broke, without those that are merely missing. */
  readonly broken?: readonly string[];
};
export type ConsentOp = {
  readonly is: 'op';
  readonly op: 'consent';
  readonly phase: Phase;
  readonly user: string;
  readonly app: string;
  readonly how: string;
};
/** A connection broken on purpose, by the sandbox's control. */
export type BreakOp = {
  readonly is: 'op';
  readonly op: 'break';
  readonly phase: Phase;
  readonly user: string;
  readonly app: string;
  readonly how: string;
  readonly accounts: readonly string[];
};
export type OtherOp = {
  readonly is: 'op';
  readonly op: 'put-user' | 'audit';
  readonly phase: Phase;
  readonly user?: string;
  readonly status?: string | number;
};
export type FaultEntry = {
  readonly is: 'fault';
  /** Its place in the schedule. */
  readonly n: number;
  readonly phase: 'begin' | 'end' | 'skipped';
  readonly fault: Fault;
  /** Which process it met. */
  readonly part?: string;
};
export type ProcessEntry = {
  readonly is: 'process';
  readonly part: string;
  /** `silent`: it ran and answered nothing, and was killed for that by the supervisor. */
  readonly what: 'start' | 'ready' | 'exit' | 'silent';
  readonly pid: number;
  readonly code?: number | null;
  readonly signal?: string | null;
};
export type StageEntry = { readonly is: 'stage'; readonly what: 'load' | 'calm' | 'settled' | 'not-settled' };

export type Event =
  StartRunOp | RunOp | ConsentOp | BreakOp | OtherOp | FaultEntry | ProcessEntry | StageEntry;
/** `at`: epoch milliseconds. */
export type Entry = Event & { readonly at: number };
