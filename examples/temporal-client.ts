/**
 * A backend that has a Temporal client of its own: it starts a run and follows it in Temporal, without asking Bellhop again.
 *
 *   BELLHOP_URL=… BELLHOP_API_KEY=… TEMPORAL_ADDRESS=… node examples/temporal-client.ts alice 'Tell #general hello' SLACK_SEND_MESSAGE
 *
 * What is allowed: a run is a row before it is a workflow. The row holds whose run it is, its task and its tools; the workflow gets
 * two ids and reads everything from there. So a run is accepted by `POST /v1/runs`, and a workflow `agentRun` that somebody starts
 * for an id without a row fails at once, having done nothing. With the row there, starting it is harmless: the id is the run's, so
 * whoever comes second gets the one that runs.
 */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { AGENT_RUN, connectionCompletedSignal, progressQuery, runWorkflowId } from '../workflows/messages.ts';

const {
  BELLHOP_URL = 'http://localhost:8080',
  BELLHOP_API_KEY = '',
  TEMPORAL_TASK_QUEUE = 'bellhop',
} = process.env;
const [userId = '', task = '', ...tools] = process.argv.slice(2);

async function bellhop(method: string, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${BELLHOP_URL}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${BELLHOP_API_KEY}`,
      'content-type': 'application/json',
      // Not waiting for the connection check: Temporal tells.
      prefer: 'respond-async',
    },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Record<string, unknown>;
}

await bellhop('PUT', `/users/${encodeURIComponent(userId)}`, {});
const run = await bellhop('POST', '/runs', { userId, task, tools });
const runId = String(run['id']);

const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
const connection = await Connection.connect(connectionOptions);
const client = new Client({ connection, namespace });

// The same start that Bellhop makes. Not needed, for the run has begun; never harmful, for the id is taken.
const handle = await client.workflow.start(AGENT_RUN, {
  workflowId: runWorkflowId(runId),
  taskQueue: TEMPORAL_TASK_QUEUE,
  args: [{ runId, userId }],
  workflowIdConflictPolicy: 'USE_EXISTING',
});
console.log(`run ${runId} is workflow ${handle.workflowId}`);

// A hint, never a proof: an account that was connected somewhere else may be usable now. The workflow reads it back from Composio.
await handle.signal(connectionCompletedSignal, { app: 'slack' }).catch(() => undefined);

const { status, waitingFor } = await handle.query(progressQuery);
console.log(`status ${status}${waitingFor.map(({ app, reason }) => `, ${app} ${reason}`).join('')}`);

// Ids, statuses and counts only: the answer itself is at GET /v1/runs/{id}.
console.log(`ended ${JSON.stringify(await handle.result())}`);
await connection.close();
