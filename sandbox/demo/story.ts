/** The main job from end to end, each step held by what the sandbox's own journal and the receiver saw. */
import type { SandboxControl } from '../composio/control.ts';
import type { ApiAudit, ApiClient, ApiRun } from './api-client.ts';
import { Browser } from './browser.ts';
import type { Receiver } from './receiver.ts';
import type { Timeline } from './timeline.ts';
import { DemoError } from './timeline.ts';

export type Stage = {
  readonly api: ApiClient;
  readonly composio: SandboxControl;
  readonly receiver: Receiver;
  readonly timeline: Timeline;
};

const MESSAGE = 'The release is out';
/** Far above what each step takes on a slow machine. */
const STEP_TIMEOUT_MS = 60_000;

export async function playStory(stage: Stage): Promise<void> {
  await signUp(stage);
  await playAlice(stage);
  await playBob(stage);
  await playAudit(stage);
}

async function signUp({ api, timeline }: Stage): Promise<void> {
  timeline.chapter('Two people sign up');
  for (const [userId, displayName] of [
    ['alice', 'Alice'],
    ['bob', 'Bob'],
  ] as const) {
    await api.putUser(userId, { displayName, email: `${userId}@example.com` });
    timeline.tell('backend', `registers ${displayName}; the Composio entity is "${userId}"`);
  }
}

async function playAlice({ api, composio, receiver, timeline }: Stage): Promise<void> {
  timeline.chapter('Alice wants something posted, and has connected nothing');
  const started = await startRun(api, {
    userId: 'alice',
    task: `Post "${MESSAGE}" to #general on Slack`,
    tools: ['SLACK_SEND_MESSAGE'],
  });
  timeline.tell('backend', `starts a run: post "${MESSAGE}" to #general`);
  const [wait] = started.waitingFor;
  timeline.check(
    started.status === 'waiting_for_connection',
    'the run waits for a connection',
    started.status,
  );
  timeline.tell('Bellhop', `tells Alice: ${wait?.message ?? ''}`);
  timeline.check((await composio.journal()).length === 0, 'nothing has been done at any provider');

  const browser = new Browser();
  const asked = await browser.open(wait?.connectUrl ?? '');
  timeline.tell('Alice', `opens her link: "${title(asked.html)}"`);
  const consent = await browser.click(asked, /\/go$/);
  timeline.tell('Alice', `goes on, and reads at the provider: "${title(consent.html)}"`);
  const finished = await browser.submit(consent, { decision: 'approve', account: 'alice@example.com' });
  timeline.tell('Alice', `approves, and comes back to: "${title(finished.html)}"`);
  timeline.check(
    finished.status === 200 && finished.url.pathname.startsWith('/oauth/callback/'),
    'the browser ends on Bellhop’s own page',
    finished.url.pathname,
  );

  const run = await untilEnded(api, started.id);
  timeline.check(run.status === 'completed', 'the callback resumed the run, and it completed', run.error);
  timeline.tell('model', `"${run.output ?? ''}"`);
  const effects = await composio.journal({ writesOnly: true });
  timeline.check(effects.length === 1, 'exactly one message is in the provider’s journal', effects.length);
  const [effect] = effects;
  timeline.check(
    effect?.accountOwner === 'alice' &&
      effect.accountId === run.toolCalls[0]?.accountId &&
      JSON.stringify(effect.arguments).includes(MESSAGE),
    'it was sent with Alice’s own account, and says what she asked',
    effect,
  );
  await receiver.waitFor(
    (notice) => notice.type === 'run.completed' && notice.data['userId'] === 'alice',
    STEP_TIMEOUT_MS,
  );
  timeline.tell('backend', 'is told run.completed by a signed webhook');
}

async function playBob({ api, composio, timeline }: Stage): Promise<void> {
  timeline.chapter('Bob’s Gmail worked once; now it has expired');
  await composio.seedAccount({ userId: 'bob', app: 'gmail', status: 'EXPIRED' });
  const run = await startRun(api, {
    userId: 'bob',
    task: 'Send an email to carol@example.com about the invoice',
    tools: ['GMAIL_SEND_EMAIL'],
    onMissingConnection: 'fail',
  });
  timeline.tell('backend', 'starts a run for Bob that may not wait');
  const sentence = 'Your Gmail connection has expired. Please reconnect in Settings > Integrations.';
  timeline.check(
    run.status === 'failed' && run.error?.code === 'connection_required',
    'the run ends at the gate',
    run,
  );
  timeline.check(run.waitingFor[0]?.message === sentence, `Bob is told: ${sentence}`, run.waitingFor);
  const his = await composio.journal({ userId: 'bob' });
  timeline.check(his.length === 0, 'nothing was done in Bob’s name', his.length);
}

async function playAudit({ api, receiver, timeline }: Stage): Promise<void> {
  timeline.chapter('The audit goes through all users');
  const { id } = await api.startAudit();
  timeline.tell('backend', 'starts the audit that the schedule starts four times a day');
  const audit = await untilAudited(api, id);
  timeline.tell('Bellhop', `looked at ${audit.usersScanned} users: ${audit.broken} broken connection`);
  timeline.check(
    audit.status === 'completed' && audit.usersScanned === 2 && audit.broken === 1,
    'it found Bob’s, and only his',
    audit,
  );
  const isBobs = (notice: Receiver['received'][number]): boolean => notice.type === 'connection.expired';
  const notice = await receiver.waitFor(isBobs, STEP_TIMEOUT_MS);
  timeline.check(
    notice.data['userId'] === 'bob' &&
      notice.data['app'] === 'gmail' &&
      typeof notice.data['connectUrl'] === 'string',
    'the notice arrived, signed, with a link to mend it',
    notice,
  );
  timeline.check(
    receiver.received.filter(isBobs).length === 1,
    'once: the run and the audit saw the same break',
  );
}

/** The run once its connection check is through: on a slow machine the answer may come before that. */
async function startRun(api: ApiClient, run: object): Promise<ApiRun> {
  const { id } = await api.startRun(run);
  return untilRun(api, id, ({ status }) => status !== 'running');
}

const untilEnded = (api: ApiClient, runId: string): Promise<ApiRun> =>
  untilRun(api, runId, ({ status }) => ['completed', 'failed', 'cancelled'].includes(status));

async function untilRun(api: ApiClient, runId: string, isThere: (run: ApiRun) => boolean): Promise<ApiRun> {
  const deadline = Date.now() + STEP_TIMEOUT_MS;
  for (;;) {
    const run = await api.getRun(runId, '5s');
    if (isThere(run)) return run;
    if (Date.now() > deadline) throw new DemoError(`run ${runId} is still ${run.status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function untilAudited(api: ApiClient, auditId: string): Promise<ApiAudit> {
  const deadline = Date.now() + STEP_TIMEOUT_MS;
  for (;;) {
    const audit = await api.getAudit(auditId);
    if (audit.status !== 'running') return audit;
    if (Date.now() > deadline) throw new DemoError('the audit does not end');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function title(page: string): string {
  return /<title>([^<]*)<\/title>/.exec(page)?.[1] ?? 'a page without a title';
}
