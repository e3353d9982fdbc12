/**
 * A process of its own that uses the port in every way and reports whom it contacted and what it started. Run by
 * phones-home.e2e.test.ts with an address, an SDK, and `control` to add one foreign contact and one child, which proves that both
 * are seen.
 */
import { spawn } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createComposio } from '../../composio/create-composio.ts';
import { account, call } from './fixtures.ts';

const contacts = new Set<string>();
let children = 0;
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket };
  // Reported by name or address and port as the caller gave them: before any look-up has succeeded or failed.
  socket.on('connectionAttempt', (ip: string, port: number) => contacts.add(`${ip}:${String(port)}`));
  socket.on('lookup', (_error: unknown, _address: unknown, _family: unknown, host: string) =>
    contacts.add(host),
  );
});
subscribe('child_process', () => {
  children += 1;
});

const [baseUrl = '', name, mode = ''] = process.argv.slice(2);
const sdk = name === '@composio/core' ? name : 'composio-core';
const port = createComposio({ apiKey: 'the-key', baseUrl, authConfigs: new Map(), sdk });
const alice = port.forEntity('alice');
const outcomes: string[] = [];
const attempts: (() => Promise<unknown>)[] = [
  () => alice.tools(['SLACK_SEND_MESSAGE']),
  () => alice.connections(['slack']),
  () => alice.connect({ app: 'slack', authConfigId: 'ac_1', callbackUrl: 'http://127.0.0.1/cb' }),
  () => alice.execute(call()),
  // The server answers 500 to this one: the SDK then builds its own error, which reports itself.
  () => alice.execute(call({ tool: { ...call().tool, slug: 'BROKEN' } })),
  () => alice.execute(call({ account: account({ entityId: 'bob' }) })),
];
for (const attempt of attempts) {
  outcomes.push(
    await attempt().then(
      () => 'ok',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    ),
  );
}
if (mode === 'control') {
  connect({ host: '127.0.0.1', port: 9 }).on('error', () => undefined);
  spawn(process.execPath, ['--version']).on('error', () => undefined);
}
// Telemetry would leave in batches of 100 ms.
await new Promise((resolve) => setTimeout(resolve, 500));
const stopHandlers = process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
process.stdout.write(JSON.stringify({ contacts: [...contacts], children, outcomes, stopHandlers }));
