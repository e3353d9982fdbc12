/**
 * Screenshots of the Temporal UI for docs/operating.md: `npm run screenshots:operating`. A whole Bellhop on free ports with
 * runs in every state that an operator meets, and the machine's Chromium. To be looked at by a person; nothing compares them.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { createSandboxControl } from '../sandbox/composio/control.ts';
import { type ApiClient, type ApiRun, createApiClient } from '../sandbox/demo/api-client.ts';
import { findFreePort } from '../sandbox/free-port.ts';
import { standardErrorOutput } from '../sandbox/progress.ts';
import { type RunningBellhop, startBellhop } from '../sandbox/start/bellhop.ts';
import { startChromium } from './chromium.ts';

const OUTPUT = join(import.meta.dirname, '..', 'docs', 'operating');
const DESK = { width: 1_280, height: 800 };
/** A run comes to its state in seconds; a busy machine takes longer. */
const STATE_TIMEOUT_MS = 120_000;
/** The UI draws its table and lines in after the text is there. */
const SETTLE_MS = 2_000;

const SEND = 'SLACK_SEND_MESSAGE';
const write = { name: SEND, arguments: { channel: 'general', markdown_text: 'The weekly numbers' } };
const read = { name: 'SLACK_LIST_CHANNELS', arguments: {} };
const scripted = (answers: readonly object[]): string =>
  `Post the weekly numbers.\n\`\`\`script\n${JSON.stringify(answers)}\n\`\`\``;
const WRITES = scripted([{ toolCalls: [write] }, { content: 'Done.' }]);

/** The workflow id of one run in each state. */
type Story = Readonly<Record<'waits' | 'asks' | 'unknown' | 'works' | 'completed', string>>;

async function main(): Promise<void> {
  mkdirSync(OUTPUT, { recursive: true });
  const dataDir = mkdtempSync(join(tmpdir(), 'bellhop-screenshots-'));
  const kept = ['PATH', 'HOME', 'TMPDIR', 'BELLHOP_CACHE_DIR'];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.includes(name)));
  const bellhop = await startBellhop({
    env: {
      ...env,
      PORT: '0',
      // Nobody listens: deliveries are tried again.
      BELLHOP_WEBHOOK_URL: `http://127.0.0.1:${await findFreePort()}/hook`,
      BELLHOP_WEBHOOK_SECRET: 'whsec_c2NyZWVuc2hvdHM=',
    },
    dataDir,
    log: () => undefined,
    output: standardErrorOutput(),
  });
  try {
    await shootAll(bellhop, await play(bellhop));
  } finally {
    await bellhop.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function play(bellhop: RunningBellhop): Promise<Story> {
  const api = createApiClient(bellhop.apiUrl, bellhop.apiKey);
  const sandbox = createSandboxControl(bellhop.composioUrl ?? '');
  for (const userId of ['alice', 'bob', 'carol', 'dave']) {
    await api.putUser(userId, {});
    if (userId !== 'bob') await sandbox.seedAccount({ userId, app: 'slack', status: 'ACTIVE' });
  }
  const run = async (body: object, status: string): Promise<string> => {
    const { id } = await api.startRun({ tools: [SEND], task: WRITES, ...body });
    await untilRun(api, id, (seen) => seen.status === status);
    return `run-${id}`;
  };
  const completed = await run({ userId: 'alice' }, 'completed');
  await run({ userId: 'bob', onMissingConnection: 'fail' }, 'failed');
  const waits = await run({ userId: 'bob', tools: [SEND, 'GMAIL_SEND_EMAIL'] }, 'waiting_for_connection');
  const asks = await run({ userId: 'alice', approvals: { require: 'writes' } }, 'waiting_for_approval');
  await sandbox.addFault({
    match: { route: 'tools.execute', userId: 'carol' },
    action: { type: 'status', status: 500, afterEffect: true },
    times: 1,
  });
  const unknown = await run({ userId: 'carol', onUnknownOutcome: 'wait' }, 'waiting_for_resolution');
  const slow = { content: 'Done.', fault: { kind: 'latency', ms: 240_000 } };
  const third = scripted([{ toolCalls: [read] }, { toolCalls: [write] }, slow]);
  const { id } = await api.startRun({ userId: 'dave', task: third, tools: [SEND, read.name] });
  await untilRun(
    api,
    id,
    ({ toolCalls }) => toolCalls.length === 2 && toolCalls.every((call) => call.status === 'done'),
  );
  const audit = await api.startAudit();
  for (const until = Date.now() + STATE_TIMEOUT_MS; (await api.getAudit(audit.id)).status === 'running';) {
    if (Date.now() > until) throw new Error('the audit does not end');
    await delay(200);
  }
  return { waits, asks, unknown, works: `run-${id}`, completed };
}

async function untilRun(api: ApiClient, id: string, isThere: (run: ApiRun) => boolean): Promise<void> {
  const until = Date.now() + STATE_TIMEOUT_MS;
  for (;;) {
    const run = await api.getRun(id);
    if (isThere(run)) return;
    if (Date.now() > until) throw new Error(`run ${id} is still ${run.status}`);
    await delay(200);
  }
}

async function shootAll(bellhop: RunningBellhop, story: Story): Promise<void> {
  const browser = await startChromium();
  try {
    const page = await (await browser.newContext({ viewport: DESK })).newPage();
    const open = async (path: string, text: string): Promise<void> => {
      await page.goto(`${bellhop.temporalUiUrl}/namespaces/default${path}`);
      await page.getByText(text).first().waitFor({ timeout: STATE_TIMEOUT_MS });
    };
    const list = (query: string): string => `/workflows?query=${encodeURIComponent(query)}`;
    await open('/workflows', story.waits);
    await shoot(page, 'workflows');
    await open(list('BellhopStatus="waiting_for_connection" AND BellhopApps="slack"'), story.waits);
    await shoot(page, 'waits-for-slack');
    await open(`/workflows/${story.works}`, 'turn 3: model');
    await shoot(page, 'run-in-turn-3');
    for (const [name, id, text] of [
      ['run-waits', story.waits, 'gmail: missing'],
      ['run-unknown-outcome', story.unknown, 'waits for an operator'],
    ] as const) {
      await open(`/workflows/${id}`, 'User Metadata');
      await page.getByText('User Metadata').first().click();
      await untilShown(page, text);
      await shoot(page, name);
    }
    await open(list('WorkflowType="deliverNotice" AND ExecutionStatus="Running"'), 'notice-');
    await page.locator('a[href*="/workflows/notice-"]').first().click();
    await page.getByText('until attempt').first().waitFor({ timeout: STATE_TIMEOUT_MS });
    await shoot(page, 'delivery');
  } finally {
    await browser.close();
  }
}

/** In any frame: the UI shows Markdown in frames of its own. */
async function untilShown(page: Page, text: string): Promise<void> {
  const until = Date.now() + STATE_TIMEOUT_MS;
  for (;;) {
    const frames = page.frames().map((frame) => frame.locator('body').innerText({ timeout: SETTLE_MS }));
    const shown = (await Promise.allSettled(frames)).map((one) =>
      one.status === 'fulfilled' ? one.value : '',
    );
    if (shown.some((words) => words.includes(text))) return;
    if (Date.now() > until) throw new Error(`the UI does not show "${text}", but ${shown.join('\n')}`);
    await delay(200);
  }
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: join(OUTPUT, `${name}.png`), animations: 'disabled', caret: 'hide' });
  console.log(`docs/operating/${name}.png`);
}

await main();
