/** Small things that the tests of composio/ build over and over. */
import type { ConnectedAccount } from '../../domain/gate.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { Tool } from '../../domain/tool.ts';
import { ComposioFailure } from '../../composio/failure.ts';
import type { ExecuteRequest } from '../../composio/port.ts';

export function tool(change: Partial<Tool> = {}): Tool {
  return {
    slug: 'SLACK_SEND_MESSAGE',
    description: 'Posts a message',
    app: 'slack',
    appName: 'Slack',
    version: '20260101_00',
    noAuth: false,
    tags: [],
    readOnly: false,
    parameters: {
      type: 'object',
      properties: { channel: { type: 'string' }, text: { type: 'string' } },
      required: ['channel'],
    },
    ...change,
  };
}

export function account(change: Partial<ConnectedAccount> = {}): ConnectedAccount {
  return {
    id: 'ca_alice',
    entityId: 'alice',
    app: 'slack',
    authConfigId: 'ac_1',
    status: 'ACTIVE',
    statusReason: null,
    disabled: false,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...change,
  };
}

/** An execution that would go through, and the parts of it that a test changes. */
export function call(change: Partial<ExecuteRequest> = {}): ExecuteRequest {
  return {
    tool: tool(),
    arguments: { channel: 'general', text: 'hello' } satisfies JsonObject,
    account: account(),
    timeoutMs: 5_000,
    beforeSend: async () => undefined,
    ...change,
  };
}

/** The failure that a call must end in. Anything else, success included, fails the test. */
export async function failureOf(work: Promise<unknown>): Promise<ComposioFailure> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in outcome && outcome.error instanceof ComposioFailure) return outcome.error;
  throw new Error(`not a ComposioFailure: ${JSON.stringify(outcome)}`, {
    cause: 'error' in outcome ? outcome.error : undefined,
  });
}
