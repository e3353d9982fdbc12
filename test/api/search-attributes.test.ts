/** The filters that operators use in the Temporal UI, and a namespace that lacks them. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRun } from '../../api/start-run.ts';
import { APPS_ATTRIBUTE, STATUS_ATTRIBUTE, USER_ATTRIBUTE, runWorkflowId } from '../../workflows/messages.ts';
import { connectTestTemporal, testTaskQueue } from '../setup/temporal.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

const RETENTION_SECONDS = 86_400;

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => await api.close());

describe('a run', () => {
  it('carries its user and apps from the start, and its status as it changes', async () => {
    const userId = `u-${randomUUID()}`;
    await api.call('PUT', `/v1/users/${userId}`, { body: {} });
    const { body } = await api.call('POST', '/v1/runs', {
      body: { userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] },
    });
    const handle = api.bellhop.client.workflow.getHandle(runWorkflowId(body.id));
    const attributes = async () => (await handle.describe()).typedSearchAttributes;
    await expect.poll(async () => (await attributes()).get(STATUS_ATTRIBUTE)).toBe('waiting_for_connection');
    const waiting = await attributes();
    expect(waiting.get(USER_ATTRIBUTE)).toBe(userId);
    expect(waiting.get(APPS_ATTRIBUTE)).toEqual(['slack']);
    await api.call('POST', `/v1/runs/${body.id}/cancel`);
    await handle.result();
    const ended = await attributes();
    expect(ended.get(STATUS_ATTRIBUTE)).toBe('cancelled');
    expect(ended.get(APPS_ATTRIBUTE)).toEqual(['slack']);
  });
});

describe('a namespace without the search attributes', () => {
  it('gets runs without them, and is asked with them only once', async () => {
    const connection = await connectTestTemporal();
    const namespace = `bare-${randomUUID()}`;
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as never },
    });
    const client = new Client({ connection, namespace });
    // Waiting for the check, as a request does that asks for nothing else; nobody polls here, so it is not answered.
    const start = (id: string) =>
      startRun(
        client,
        testTaskQueue(),
        { id, userId: 'u', apps: ['slack'] },
        { waitForCheck: true, deadline: 0 },
      );
    const untilKnown = async (id: string): Promise<Awaited<ReturnType<typeof start>>> => {
      for (let i = 0; ; i += 1) {
        const outcome = await start(id);
        // A new namespace is known to all parts of the server within 2 s of the server's own pace.
        if (outcome.kind !== 'refused' || i > 1_000) return outcome;
        await sleep(50);
      }
    };
    const first = randomUUID();
    expect((await untilKnown(first)).kind).toBe('started_or_unknown');
    const { typedSearchAttributes } = await client.workflow.getHandle(runWorkflowId(first)).describe();
    expect(typedSearchAttributes.get(USER_ATTRIBUTE)).toBeUndefined();
    expect((await start(randomUUID())).kind).toBe('started_or_unknown');
    await connection.close();
  });
});
