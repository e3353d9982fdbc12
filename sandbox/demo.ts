/**
 * `npm run demo`: starts everything on free ports with data of its own, plays the main job once and exits: 0 when each
 * step was as told, 1 with the reason otherwise. It never touches real services, whatever the environment names.
 */
import './check-node.mjs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSandboxControl } from './composio/control.ts';
import { createApiClient } from './demo/api-client.ts';
import { startReceiver } from './demo/receiver.ts';
import { playStory } from './demo/story.ts';
import { createTimeline } from './demo/timeline.ts';
import { standardErrorOutput } from './progress.ts';
import { listenForStop } from './start/signals.ts';

/** Of the person's variables only the system's: the story plays on sandboxes. */
const SYSTEM_VARIABLES = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LANG',
  'TZ',
  'XDG_CACHE_HOME',
  'BELLHOP_CACHE_DIR',
  'NODE_COMPILE_CACHE',
];

async function main(): Promise<number> {
  const stopSignals = listenForStop(() => process.exit(1));
  const dataDir = mkdtempSync(join(tmpdir(), 'bellhop-demo-'));
  const receiver = await startReceiver();
  const system = Object.fromEntries(
    SYSTEM_VARIABLES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  console.log(
    'Bellhop, the whole story on real parts: Temporal, PostgreSQL, composio-core and openai over HTTP.',
  );
  console.log('Starting them on free ports ...');
  const startedAt = performance.now();
  const { startBellhop } = await import('./start/bellhop.ts');
  try {
    const bellhop = await startBellhop({
      env: {
        ...system,
        PORT: '0',
        BELLHOP_WEBHOOK_URL: receiver.url,
        BELLHOP_WEBHOOK_SECRET: receiver.secret,
      },
      dataDir,
      log: () => undefined,
      output: standardErrorOutput(),
      signal: stopSignals.signal,
    });
    try {
      console.log(`Ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s.`);
      const timeline = createTimeline((line) => console.log(line));
      const api = createApiClient(bellhop.apiUrl, bellhop.apiKey);
      const story = playStory({
        api,
        composio: createSandboxControl(bellhop.composioUrl ?? ''),
        receiver,
        timeline,
      });
      const stopped = stopSignals.requested.then(() => Promise.reject(new Error('stopped by a signal')));
      await Promise.race([story, bellhop.failed.then((error) => Promise.reject(error)), stopped]);
      console.log(`\nAll ${timeline.checks()} checks held. Try it yourself: npm start\n`);
      return 0;
    } finally {
      await bellhop.stop();
    }
  } finally {
    await receiver.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
