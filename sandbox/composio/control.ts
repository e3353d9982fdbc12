/** The typed client of the control API, for tests, the demo and benchmarks. Plain fetch; keeps nothing. */
import type {
  AccountChange,
  AccountFilter,
  AccountSeed,
  AccountSeries,
  BarrierState,
  EffectFilter,
  RequestFilter,
  SandboxAccount,
  SandboxSummary,
} from './control-types.ts';
import type { FaultRule, NewFault } from './faults/fault.ts';
import type { SandboxSettings } from './options.ts';
import type { Effect } from './state/journal.ts';
import type { LoggedRequest } from './state/request-log.ts';
import type { WebhookDelivery, WebhookOrder } from './webhook-events.ts';

export type SandboxControl = ReturnType<typeof createSandboxControl>;

const POLL_MS = 10;
// Short against any test's time limit, long against what comes before the request on a busy machine.
const WAIT_MS = 60_000;

/** `baseUrl` as the sandbox prints it, e.g. `http://127.0.0.1:4000`. Every method throws when the sandbox refuses. */
export function createSandboxControl(baseUrl: string) {
  const call = createCaller(baseUrl);
  const accounts = async (filter: AccountFilter = {}): Promise<readonly SandboxAccount[]> =>
    (await call<Items<SandboxAccount>>('GET', `accounts${search(filter)}`)).items;
  const journal = async (filter: EffectFilter = {}): Promise<readonly Effect[]> =>
    (await call<Items<Effect>>('GET', `journal${search(filter)}`)).items;
  const requests = async (filter: RequestFilter = {}): Promise<readonly LoggedRequest[]> =>
    (await call<Items<LoggedRequest>>('GET', `requests${search(filter)}`)).items;
  const barriers = (): Promise<BarrierState> => call('GET', 'barriers');
  const updateAccount = (id: string, change: AccountChange): Promise<SandboxAccount> =>
    call('PATCH', `accounts/${encodeURIComponent(id)}`, change);

  return {
    state: (): Promise<SandboxSummary> => call('GET', 'state'),
    updateSettings: (change: Partial<SandboxSettings>): Promise<SandboxSettings> =>
      call('PATCH', 'settings', change),

    accounts,
    account: (id: string): Promise<SandboxAccount> => call('GET', `accounts/${encodeURIComponent(id)}`),
    seedAccounts: async (seeds: readonly AccountSeed[]): Promise<readonly SandboxAccount[]> =>
      (await call<Items<SandboxAccount>>('POST', 'accounts', seeds)).items,
    seedAccount: async (seed: AccountSeed): Promise<SandboxAccount> => {
      const [account] = (await call<Items<SandboxAccount>>('POST', 'accounts', [seed])).items;
      if (!account) throw new Error('the sandbox made no account');
      return account;
    },
    seedSeries: async (series: AccountSeries): Promise<number> =>
      (await call<{ count: number }>('POST', 'account-series', series)).count,
    updateAccount,
    setStatus: (id: string, status: SandboxAccount['status'], statusReason: string | null = null) =>
      updateAccount(id, { status, statusReason }),
    /** The provider drops the grant; Composio goes on saying ACTIVE. */
    revokeAtProvider: (id: string) => updateAccount(id, { revokedAtProvider: true }),
    deleteAccount: (id: string): Promise<unknown> => call('DELETE', `accounts/${encodeURIComponent(id)}`),
    putAuthConfig: (
      id: string,
      config: { readonly app?: string; readonly disabled?: boolean },
    ): Promise<unknown> => call('PUT', `auth-configs/${encodeURIComponent(id)}`, config),
    /** By link token or account id; answers how many links ended. */
    expireLink: async (tokenOrAccountId: string): Promise<number> =>
      (await call<{ expired: number }>('POST', `links/${encodeURIComponent(tokenOrAccountId)}/expire`))
        .expired,

    /** What a user's browser does on the consent page. Follows no redirect: `location` is where it would go. */
    consent: (redirectUrl: string, decision: 'approve' | 'deny', accountName?: string) =>
      postConsent(redirectUrl, decision, accountName),

    addFault: (fault: NewFault): Promise<FaultRule> => call('POST', 'faults', fault),
    faults: async (): Promise<readonly FaultRule[]> => (await call<Items<FaultRule>>('GET', 'faults')).items,
    removeFault: (id: string): Promise<unknown> => call('DELETE', `faults/${id}`),
    clearFaults: (): Promise<unknown> => call('DELETE', 'faults'),

    barriers,
    /** Resolves when `count` requests wait at the gate. */
    waitForBarrier: (name: string, count = 1, timeoutMs = WAIT_MS) =>
      until(`${count} at barrier ${name}`, timeoutMs, async () => {
        const waiting = (await barriers())[name]?.waiting ?? 0;
        return waiting >= count ? waiting : null;
      }),
    releaseBarrier: async (name: string): Promise<number> =>
      (await call<{ released: number }>('POST', `barriers/${encodeURIComponent(name)}/release`)).released,
    closeBarrier: (name: string): Promise<unknown> =>
      call('POST', `barriers/${encodeURIComponent(name)}/close`),

    journal,
    /** Resolves when the journal has at least `count` fitting effects. */
    waitForEffects: (count: number, filter: EffectFilter = {}, timeoutMs = WAIT_MS) =>
      until(`${count} effects`, timeoutMs, async () => {
        const effects = await journal(filter);
        return effects.length >= count ? effects : null;
      }),
    requests,
    countRequests: async (filter: RequestFilter = {}): Promise<number> => (await requests(filter)).length,

    emitWebhook: (order: WebhookOrder): Promise<WebhookDelivery> => call('POST', 'webhooks', order),
  };
}

type Items<T> = { readonly items: readonly T[] };

function createCaller(baseUrl: string) {
  return async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`${baseUrl}/_sandbox/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`sandbox control ${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  };
}

/** `{userId: 'a'}` as `?user_id=a`. */
function search(filter: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value !== undefined)
      query.set(
        name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`),
        String(value),
      );
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}

async function postConsent(
  redirectUrl: string,
  decision: 'approve' | 'deny',
  accountName?: string,
): Promise<{ readonly status: number; readonly location: string | null; readonly page: string }> {
  const form = new URLSearchParams({
    decision,
    ...(accountName === undefined ? {} : { account: accountName }),
  });
  const answer = await fetch(redirectUrl, { method: 'POST', body: form, redirect: 'manual' });
  return { status: answer.status, location: answer.headers.get('location'), page: await answer.text() };
}

async function until<T>(what: string, timeoutMs: number, look: () => Promise<T | null>): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== null) return seen;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
