/** Users' browsers: whoever's run waits for a connection opens the link after a while, and mostly approves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Browser } from '../sandbox/demo/browser.ts';
import type { SandboxControl } from '../sandbox/composio/control.ts';
import type { WaitingFor } from './api-client.ts';
import type { User } from './cast.ts';
import type { OperationLog } from './log.ts';
import { type Random, createRandom } from './random.ts';

export type Consents = {
  /** Does nothing while this link is being opened already, or was a moment ago. */
  readonly ask: (user: User, waiting: WaitingFor) => void;
  /** From now on everybody is quick and approves. */
  readonly hurry: () => void;
};

/** One visit, with every redirect; a browser that hangs is closed. */
const VISIT_TIMEOUT_MS = 30_000;
/** After a visit: what the flow needs to notice it. */
const REST_MS = 6_000;

export function createConsents(deps: {
  composio: SandboxControl;
  seed: number;
  log: OperationLog;
}): Consents {
  const random = createRandom(deps.seed, 'consents');
  const busy = new Set<string>();
  let isHurried = false;
  return {
    ask: (user, waiting) => {
      if (busy.has(waiting.connectUrl)) return;
      busy.add(waiting.connectUrl);
      const how = isHurried ? 'approve' : decide(random);
      const delayMs = isHurried ? 0 : random.int(100, 3_000);
      const op = { is: 'op', op: 'consent', user: user.id, app: waiting.app, how } as const;
      void (async () => {
        await sleep(delayMs);
        deps.log.note({ ...op, phase: 'invoke' });
        const visited = await Promise.race([
          visit(deps.composio, user, waiting.connectUrl, how).catch(() => 'info' as const),
          sleep(VISIT_TIMEOUT_MS, 'info' as const, { ref: false }),
        ]);
        deps.log.note({ ...op, phase: visited });
        await sleep(REST_MS);
        busy.delete(waiting.connectUrl);
      })();
    },
    hurry: () => {
      isHurried = true;
    },
  };
}

type How = 'approve' | 'deny' | 'lose-callback';

function decide(random: Random): How {
  return random.weighted<How>([
    { weight: 86, item: 'approve' },
    { weight: 6, item: 'deny' },
    { weight: 8, item: 'lose-callback' },
  ]);
}

async function visit(
  composio: SandboxControl,
  user: User,
  connectUrl: string,
  how: How,
): Promise<'ok' | 'fail'> {
  const browser = new Browser();
  const asked = await browser.open(connectUrl);
  // Somebody else's visit completed the flow meanwhile: its page offers nothing to click.
  if (asked.status !== 200 || !/\/go"/.test(asked.html)) return 'fail';
  const consent = await browser.click(asked, /\/go$/);
  if (consent.status !== 200 || !consent.html.includes('<form')) return 'fail';
  if (how === 'lose-callback') await composio.updateSettings({ dropCallbacks: 1 });
  const decision = how === 'deny' ? 'deny' : 'approve';
  const end = await browser.submit(consent, { decision, account: user.canary });
  return end.status === 200 ? 'ok' : 'fail';
}
