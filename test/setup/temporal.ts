/**
 * Temporal for tests: the one dev server of the run (in memory, flags and search attributes as `npm start` has them),
 * a task queue of one's own per file, and a namespace of one's own for tests that make Schedules with fixed ids.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { isNamespaceReady } from '../../sandbox/temporal/readiness.ts';
import { SEARCH_ATTRIBUTES } from '../../sandbox/temporal/search-attributes.ts';
import { askGround } from './ground-client.ts';

/** Two days of retention serve nobody here, and one is the least that the server takes. */
const RETENTION_SECONDS = 86_400;
/** A new namespace is there for all services of the server within 2 s (its cache refresh). */
const NAMESPACE_TIMEOUT_MS = 60_000;
/** The enum numbers of temporal.api.enums.v1.IndexedValueType; the client exports no names for them. */
const INDEXED_VALUE_TYPE = { Keyword: 2, KeywordList: 7 } as const;

/** `host:port` of the shared dev server; it starts when the first test of a run asks. */
export function testTemporalAddress(): Promise<string> {
  return askGround<string>('/temporal-address');
}

/** The path of the workflow bundle, for `Worker.create({ workflowBundle: { codePath } })`; built once per run. */
export function testWorkflowBundle(): Promise<string> {
  return askGround<string>('/workflow-bundle');
}

/** A task queue that no other file uses. */
export function testTaskQueue(): string {
  return `test-${randomUUID()}`;
}

/** A client connection to the shared dev server. The caller closes it. */
export async function connectTestTemporal(): Promise<Connection> {
  return await Connection.connect({ address: await testTemporalAddress() });
}

/** A fresh namespace with the search attributes of the contract (or without them), ready for workers and Schedules. Gives its name. */
export async function createTestNamespace({ withAttributes = true } = {}): Promise<string> {
  const address = await testTemporalAddress();
  const namespace = `test-${randomUUID()}`;
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as never },
    });
    const deadline = Date.now() + NAMESPACE_TIMEOUT_MS;
    const searchAttributes = Object.fromEntries(
      Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [name, INDEXED_VALUE_TYPE[type]]),
    );
    for (let isThere = !withAttributes; !isThere;) {
      try {
        await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
        isThere = true;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await delay(50); // the operator service does not know the namespace yet
      }
    }
    const isReady = withAttributes
      ? () => isNamespaceReady(address, namespace)
      : () =>
          connection.workflowService.countWorkflowExecutions({ namespace }).then(
            () => true,
            () => false,
          );
    while (!(await isReady())) {
      if (Date.now() > deadline) throw new Error(`namespace ${namespace} does not become ready`);
      await delay(50);
    }
    return namespace;
  } finally {
    await connection.close();
  }
}
