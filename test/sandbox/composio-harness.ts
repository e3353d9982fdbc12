/** A sandbox on a free port with its control client and a raw API caller; for the composio-*.test.ts files only. */
import { afterAll, beforeAll } from 'vitest';
import { createSandboxControl, type SandboxControl } from '../../sandbox/composio/control.ts';
import type { SandboxOptions } from '../../sandbox/composio/options.ts';
import { type ComposioSandbox, createComposioSandbox } from '../../sandbox/composio/server.ts';

export const API_KEY = 'sandbox-composio-key';
export const CALLBACK = 'http://127.0.0.1:9/oauth/callback/1?state=a%2Bb%3D';

/** The members of Composio's answers that these tests read, all in one: a test asks an answer only for what it has. */
export type Wire = {
  readonly items: readonly Wire[];
  readonly error: {
    readonly message: string;
    readonly code: number;
    readonly slug: string;
    readonly status: number;
  };
  readonly id: string;
  readonly user_id: string;
  readonly slug: string;
  readonly status: string;
  readonly version: string;
  readonly available_versions: readonly string[];
  readonly tags: readonly string[];
  readonly no_auth: boolean;
  readonly toolkit: { readonly slug: string };
  readonly auth_config: { readonly id: string };
  readonly auth_config_details: readonly { readonly mode: string }[];
  readonly composio_managed_auth_schemes: readonly string[];
  readonly connectionData: { readonly val: { readonly redirectUrl: string } };
  readonly connected_account_id: string;
  readonly link_token: string;
  readonly redirect_url: string;
  readonly expires_at: string;
  readonly next_cursor: string | null;
  readonly total_items: number;
  readonly total_pages: number;
  readonly current_page: number;
  readonly successful: boolean;
  readonly log_id: string;
  readonly secret: string;
  readonly data: {
    readonly messages: readonly { readonly text: string }[];
    readonly stories: readonly object[];
  };
};
export type Answer = { readonly status: number; readonly headers: Headers; readonly body: Wire };
export type Call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

export function caller(url: string, prefix = '/api/v3.1'): Call {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}${prefix}${path}`, {
      method,
      redirect: 'manual',
      headers: { 'x-api-key': API_KEY, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? null : JSON.parse(text),
    };
  };
}

export type Harness = {
  readonly sandbox: ComposioSandbox;
  readonly control: SandboxControl;
  readonly call: Call;
  /** Mints a link for a new account of that user, with an auth config made for it. */
  readonly link: (userId: string, app?: string, callbackUrl?: string | null) => Promise<Wire>;
};

export async function openHarness(options: SandboxOptions = {}): Promise<Harness> {
  const sandbox = await createComposioSandbox(options);
  const call = caller(sandbox.url);
  return {
    sandbox,
    control: createSandboxControl(sandbox.url),
    call,
    link: async (userId, app = 'slack', callbackUrl = CALLBACK) => {
      const made = await call('POST', '/auth_configs', {
        toolkit: { slug: app },
        auth_config: { type: 'use_composio_managed_auth' },
      });
      const minted = await call('POST', '/connected_accounts/link', {
        auth_config_id: made.body.auth_config.id,
        user_id: userId,
        ...(callbackUrl === null ? {} : { callback_url: callbackUrl }),
      });
      return minted.body;
    },
  };
}

/** One sandbox for the whole file; read it inside tests only. */
export function useSandbox(options: SandboxOptions = {}): () => Harness {
  let harness: Harness | null = null;
  beforeAll(async () => {
    harness = await openHarness(options);
  });
  afterAll(async () => {
    await harness?.sandbox.close();
  });
  return () => {
    if (!harness) throw new Error('the sandbox is not open');
    return harness;
  };
}

export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
