import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { describeStart } from '../../../sandbox/start/report.ts';

const bellhop = {
  apiUrl: 'http://localhost:8080',
  authorizationFile: "/data of o'neil/authorization",
  parts: [
    { name: 'PostgreSQL', isEmbedded: true, address: '127.0.0.1:5000/bellhop' },
    { name: 'Temporal', isEmbedded: false, address: 'shop.example:7233, namespace default' },
    { name: 'Composio', isEmbedded: true, address: 'http://127.0.0.1:6000' },
    { name: 'model', isEmbedded: false, address: 'https://api.openai.com/v1' },
  ],
  temporalUiUrl: null,
  metricsUrl: 'http://127.0.0.1:7000/metrics',
  workerMetricsUrl: 'http://127.0.0.1:7001/metrics',
  dataDir: "/data of o'neil",
} as const;
const run = {
  id: 'run-9',
  status: 'waiting_for_connection',
  userId: 'bob',
  task: `Say hello\n${'x'.repeat(100)}`,
  createdAt: '2026-11-21T16:00:00.123Z',
};

test('says of each part where it is and whether it is embedded or real', () => {
  const text = describeStart({ bellhop, earlierRuns: [], seconds: 3.21 });
  expect(text).toMatch(/Bellhop is ready after 3\.2 s/);
  expect(text).toMatch(
    /Console +http:\/\/localhost:8080\/console +\(sign in with the key in \/data of o'neil\/api-key\)/,
  );
  expect(text).toMatch(/API docs +http:\/\/localhost:8080\/docs/);
  expect(text).toMatch(/PostgreSQL +127\.0\.0\.1:5000\/bellhop +embedded \(DATABASE_URL is not set\)/);
  expect(text).toMatch(/Temporal +shop\.example:7233, namespace default +real/);
  expect(text).toMatch(/Composio +http:\/\/127\.0\.0\.1:6000 +sandbox \(COMPOSIO_API_KEY is not set\)/);
  expect(text).toMatch(/Model +https:\/\/api\.openai\.com\/v1 +real/);
  expect(text).not.toMatch(/Temporal UI|Earlier runs/);
});

test('lists earlier runs, a line each', () => {
  const lines = describeStart({ bellhop, earlierRuns: [run], seconds: 1 }).split('\n');
  const line = lines[lines.indexOf('Earlier runs:') + 1];
  expect(line).toBe('  2026-11-21T16:00:00Z  waiting_for_connection bob: Say hello  (run-9)');
});

test('prints two commands that a shell reads as meant, whatever the path of the data directory', () => {
  const text = describeStart({ bellhop, earlierRuns: [], seconds: 1 });
  const commands = text.split('\n').filter((line) => line.startsWith('curl '));
  const words = commands.map((command) =>
    execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }; ${command}`], { encoding: 'utf8' })
      .trim()
      .split('\n'),
  );
  const headers = ['-H', "@/data of o'neil/authorization", '-H', 'Content-Type: application/json', '-d'];
  expect(words[0]).toEqual([
    '-sS',
    '-X',
    'PUT',
    'http://localhost:8080/v1/users/alice',
    ...headers,
    '{"displayName":"Alice"}',
  ]);
  expect(words[1]?.slice(0, -1)).toEqual(['-sS', '-X', 'POST', 'http://localhost:8080/v1/runs', ...headers]);
  expect(JSON.parse(words[1]?.at(-1) ?? '')).toMatchObject({
    userId: 'alice',
    tools: ['SLACK_SEND_MESSAGE'],
  });
});
