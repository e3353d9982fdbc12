/** What the API answers, as far as the console shows it. The document at /openapi.json is the authority. */
import type { RunStatus } from '../domain/statuses.ts';

export type Problem = {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly [member: string]: unknown;
};
export type Page<T> = { readonly items: readonly T[]; readonly nextCursor: string | null };

export type Session = {
  readonly brand: string;
  readonly tryIt: boolean;
  /** A workflow's id completes it. */
  readonly workflowUrl: string | null;
};

export type ToolCall = {
  readonly id: string;
  readonly tool: string;
  readonly app: string | null;
  readonly accountId: string | null;
  readonly status: 'pending' | 'waiting' | 'started' | 'done' | 'failed' | 'unknown' | 'denied';
  readonly attempts: number;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly arguments?: unknown;
  readonly result?: unknown;
  readonly editedArguments?: unknown;
  readonly approval?: {
    readonly status: 'requested' | 'approved' | 'denied' | 'expired';
    readonly requestedAt: string;
    readonly expiresAt: string;
    readonly decidedAt: string | null;
  };
  readonly resolution?: 'done' | 'not_done';
};

export type Run = {
  readonly id: string;
  readonly userId: string;
  readonly status: RunStatus;
  readonly task: string;
  readonly apps: readonly string[];
  readonly tools: readonly string[];
  readonly waitingFor: readonly {
    readonly app: string;
    readonly reason: string;
    readonly connectUrl: string;
    readonly message: string;
  }[];
  readonly output: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly usage: {
    readonly modelCalls: number;
    readonly toolCalls: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
  };
  readonly toolCalls: readonly ToolCall[];
  readonly workflowId: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly finishedAt: string | null;
};

export type Message = { readonly turn: number; readonly role: string; readonly content: string | null };

export type RunEvent = {
  readonly seq: number;
  readonly type: string;
  readonly at: string;
  readonly callId?: string;
  readonly tool?: string;
  readonly app?: string;
  readonly reason?: string;
  readonly status?: string;
  readonly decision?: string;
  readonly code?: string;
  readonly turn?: number;
};

export type User = {
  readonly userId: string;
  readonly email: string | null;
  readonly displayName: string | null;
  readonly createdAt: string;
};
export type Connection = {
  readonly app: string;
  readonly status: string;
  readonly connectedAt: string | null;
  readonly accountId: string;
  readonly lastCheckedAt: string;
  readonly connectUrl?: string;
  readonly waitingRuns: readonly string[];
};
export type Audit = {
  readonly id: string;
  readonly status: 'running' | 'completed' | 'failed' | 'cancelled';
  readonly mode: 'users' | 'status';
  readonly usersScanned: number;
  readonly broken: number;
  readonly notified: number;
  readonly skipped: number;
  readonly composioRequests: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
};
export type Delivery = {
  readonly id: string;
  readonly userId: string;
  readonly type: string;
  readonly channel: string;
  readonly status: 'pending' | 'delivered' | 'failed' | 'skipped';
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly createdAt: string;
  readonly deliveredAt: string | null;
};
