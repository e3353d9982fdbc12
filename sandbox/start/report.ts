/** What `npm start` tells a person once everything is ready. Pure: data in, text out. No secret may appear in it. */
import type { Part, RunningBellhop } from './bellhop.ts';
import type { EarlierRun } from './earlier-runs.ts';
import type { PartName } from './plan.ts';

/** What would make an embedded part a real one. */
const VARIABLE: Readonly<Record<PartName, string>> = {
  PostgreSQL: 'DATABASE_URL',
  Temporal: 'TEMPORAL_ADDRESS',
  Composio: 'COMPOSIO_API_KEY',
  model: 'OPENAI_API_KEY',
};

const LABEL: Readonly<Record<PartName, string>> = {
  PostgreSQL: 'PostgreSQL',
  Temporal: 'Temporal',
  Composio: 'Composio',
  model: 'Model',
};

export type Report = {
  readonly bellhop: Pick<
    RunningBellhop,
    'apiUrl' | 'authorizationFile' | 'parts' | 'temporalUiUrl' | 'metricsUrl' | 'workerMetricsUrl' | 'dataDir'
  >;
  readonly earlierRuns: readonly EarlierRun[];
  readonly seconds: number;
};

export function describeStart({ bellhop, earlierRuns, seconds }: Report): string {
  const { apiUrl, parts, temporalUiUrl } = bellhop;
  return [
    '',
    `Bellhop is ready after ${seconds.toFixed(1)} s.`,
    '',
    row('API', apiUrl),
    row('Console', `${apiUrl}/console  (sign in with the key in ${bellhop.dataDir}/api-key)`),
    row('API docs', `${apiUrl}/docs`),
    ...(temporalUiUrl === null ? [] : [row('Temporal UI', temporalUiUrl)]),
    ...parts.map(describePart),
    row('Metrics', `${bellhop.metricsUrl} (API), ${bellhop.workerMetricsUrl} (worker)`),
    row('Data', `${bellhop.dataDir}  (logs/, api-key, database-url)`),
    '',
    ...describeRuns(earlierRuns),
    'Register a user and start a run (paste both lines):',
    '',
    ...describeCommands(bellhop),
    '',
    'Ctrl-C stops everything.',
    '',
  ].join('\n');
}

function describePart({ name, isEmbedded, address }: Part): string {
  const where = name === 'Composio' || name === 'model' ? 'sandbox' : 'embedded';
  return row(LABEL[name], `${address}  ${isEmbedded ? `${where} (${VARIABLE[name]} is not set)` : 'real'}`);
}

function describeRuns(runs: readonly EarlierRun[]): string[] {
  if (runs.length === 0) return [];
  const lines = runs.map(({ createdAt, status, userId, task, id }) => {
    const firstLine = task.split('\n')[0] ?? '';
    const short = firstLine.length > 60 ? `${firstLine.slice(0, 59)}…` : firstLine;
    return `  ${createdAt.slice(0, 19)}Z  ${status.padEnd(22)} ${userId}: ${short}  (${id})`;
  });
  return ['Earlier runs:', ...lines, ''];
}

function describeCommands({ apiUrl, authorizationFile }: Report['bellhop']): string[] {
  const headers = `-H ${quote(`@${authorizationFile}`)} -H 'Content-Type: application/json'`;
  const run = {
    userId: 'alice',
    task: 'Post "Hello from Bellhop" to #general on Slack',
    tools: ['SLACK_SEND_MESSAGE'],
  };
  return [
    `curl -sS -X PUT ${apiUrl}/v1/users/alice ${headers} -d '{"displayName":"Alice"}'`,
    `curl -sS -X POST ${apiUrl}/v1/runs ${headers} -d ${quote(JSON.stringify(run))}`,
  ];
}

/** One word for a POSIX shell, whatever is in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function row(label: string, value: string): string {
  return `  ${label.padEnd(12)} ${value}`;
}
