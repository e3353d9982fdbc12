/** A process that may open no more files: sockets are files. It refuses, does nothing twice, and goes on by itself when it may again. */
import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { startSettled, untilEnded } from '../api/setup/settled-run.ts';
import { startApiProcess } from '../setup/api-process.ts';
import { scripted, startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { expectNothingLost, judgeLoad, startLoad } from '../setup/load.ts';
import { createTestNamespace } from '../setup/temporal.ts';
import { until } from '../setup/until.ts';
import { startWorkerProcess } from '../setup/worker-process.ts';

const canLimit = spawnSync('prlimit', ['--version']).status === 0;
const missing = canLimit ? '' : ' (skipped: this machine has no prlimit)';
const MANY = 1_024;

const filesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
function limitFiles(pid: number, soft: number): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
  if (status !== 0) throw new Error(String(stderr));
}

const open: { kill: () => Promise<void> }[] = [];
let bellhop: TestBellhop | null = null;
afterEach(async () => {
  for (const process of open.splice(0)) await process.kill();
  await bellhop?.close();
  bellhop = null;
});

describe.skipIf(!canLimit)(`out of files${missing}`, () => {
  test(
    'an API that strangers have filled with connections lives, and serves again when they are gone',
    { timeout: 300_000 },
    async () => {
      const parts = (bellhop = await startTestBellhop());
      const api = await startApiProcess(parts);
      open.push(api);
      const userId = `user-${randomUUID()}`;
      await parts.putUser(userId);
      await parts.sandbox.seedAccount({ userId, app: 'slack' });
      const files = filesOf(api.pid);
      limitFiles(api.pid, files + 20);
      const { hostname, port } = new URL(api.url);
      const strangers: Socket[] = [];
      for (let i = 0; i < 300; i += 1) {
        const socket = connect(Number(port), hostname);
        socket.on('error', () => undefined);
        socket.write('GET /healthz HTTP/1.1\r\n');
        strangers.push(socket);
      }
      await until('there is no room', async () => filesOf(api.pid) >= files + 19);
      await delay(1_000);
      for (const socket of strangers) socket.destroy();
      const task = scripted([
        {
          toolCalls: [
            { name: 'SLACK_SEND_MESSAGE', arguments: { channel: 'general', markdown_text: 'once' } },
          ],
        },
        { content: 'The end.' },
      ]);
      const ready = () =>
        fetch(`${api.url}/readyz`).then(
          ({ status }) => status === 200,
          () => false,
        );
      await until('the API is ready again', ready);
      const run = await startSettled(api, { userId, task, tools: ['SLACK_SEND_MESSAGE'] });
      expect((await untilEnded(api, run.id)).status).toBe('completed');
      expect(await parts.sandbox.journal({ userId })).toHaveLength(1);
    },
  );

  test(
    'the runs of a worker that can open nothing more, or dies of it, all end, each write once',
    { timeout: 300_000 },
    async () => {
      const namespace = await createTestNamespace();
      const parts = (bellhop = await startTestBellhop({ noWorker: true, namespace }));
      const worker = await startWorkerProcess(parts, { namespace });
      open.push(worker);
      await worker.polls;
      let hasEnded = false;
      void worker.exited.then(() => (hasEnded = true));
      // Those that it has, it keeps. What it would open for the load fails: connections, and the timers of workflow code, without
      // which Node ends the whole process.
      limitFiles(worker.pid, filesOf(worker.pid) + 2);
      const load = await startLoad(parts, { runs: 20, turns: 3 });
      await Promise.race([worker.exited, delay(8_000)]);
      if (!hasEnded) limitFiles(worker.pid, MANY);
      // As whoever supervises it does.
      else open.push(await startWorkerProcess(parts, { namespace }));
      expectNothingLost(await judgeLoad(parts, load, 200_000), 20);
    },
  );
});
