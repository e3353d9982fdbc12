/** Which user and run a request is about, for its log lines and its span. Ids only, from where the routes have them. */
import { isUserId } from '../domain/user-id.ts';

const NAMES = ['userId', 'runId', 'flowId', 'auditId', 'deliveryId', 'toolCallId', 'accountId'] as const;

export type RequestIds = Readonly<Record<string, string>>;

export function idsOfRequest(...parts: readonly unknown[]): RequestIds {
  const ids: Record<string, string> = {};
  for (const part of parts) {
    for (const name of NAMES) {
      const value = (part as Record<string, unknown> | null | undefined)?.[name];
      if (typeof value === 'string') ids[name] ??= value;
    }
  }
  return ids;
}

/** A run that is answered says whose it is, and a new one which it is. */
export function idsOfAnswer(answer: { readonly body?: unknown; readonly userId?: string }): RequestIds {
  const { id, userId = answer.userId, workflowId } = (answer.body ?? {}) as Record<string, unknown>;
  if (typeof userId !== 'string' || !isUserId(userId)) return {};
  const isRun = typeof id === 'string' && workflowId === `run-${id}`;
  return { userId, ...(isRun ? { runId: id } : {}) };
}
