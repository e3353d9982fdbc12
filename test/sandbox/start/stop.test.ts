import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Releases } from '../../../sandbox/start/releases.ts';

test('releases by rank, one after the other, whatever order they came in', async () => {
  const releases = new Releases();
  const order: string[] = [];
  const add = (name: string, rank: number) =>
    releases.add(rank, async () => {
      order.push(`${name} begins`);
      await delay(5);
      order.push(`${name} ends`);
    });
  for (const [name, rank] of [
    ['postgres', 10],
    ['api', 50],
    ['worker', 40],
  ] as const)
    await add(name, rank);
  await Promise.all([releases.releaseAll(), releases.releaseAll()]);
  expect(order).toEqual([
    'api begins',
    'api ends',
    'worker begins',
    'worker ends',
    'postgres begins',
    'postgres ends',
  ]);
});

test('a failed release keeps no other from its own, and is told', async () => {
  const releases = new Releases();
  const released: string[] = [];
  await releases.add(1, () => void released.push('last'));
  await releases.add(2, () => {
    throw new Error('stuck');
  });
  await expect(releases.releaseAll()).rejects.toThrow('did not stop in order');
  expect(released).toEqual(['last']);
});

test('releases at once what comes after the stop has begun', async () => {
  const releases = new Releases();
  await releases.releaseAll();
  let isReleased = false;
  await releases.add(1, () => {
    isReleased = true;
  });
  expect(isReleased).toBe(true);
});

test('takes two signals of one Ctrl-C as one, and a later one as force', async () => {
  const source = `
    import { listenForStop } from ${JSON.stringify(join(import.meta.dirname, '../../../sandbox/start/signals.ts'))};
    const stop = listenForStop(() => { console.log('forced'); process.exit(7); });
    stop.requested.then(() => console.log('requested ' + stop.signal.aborted));
    console.log('listening');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await once(reader, 'line');
  child.kill('SIGINT');
  await once(reader, 'line');
  child.kill('SIGINT');
  await delay(1_200);
  expect(lines).toEqual(['listening', 'requested true']);
  expect(child.exitCode).toBeNull();
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(7);
  expect(lines.at(-1)).toBe('forced');
});
