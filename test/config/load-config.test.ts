import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../config/config-error.ts';
import { loadConfig } from '../../config/load-config.ts';

const API = { DATABASE_URL: 'postgres://localhost/b', COMPOSIO_API_KEY: 'ck', BELLHOP_API_KEY: 'bk' };

function problemsOf(load: () => unknown): readonly string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('fills every default of the contract when only the needed variables are set', () => {
    const config = loadConfig(API, 'api');
    expect(config.http).toEqual({
      port: 8080,
      publicUrl: 'http://localhost:8080',
      trustedProxies: [],
      metricsPort: null,
      requestsPerMinute: 20_000,
      shutdownDelayMs: 0,
    });
    expect(config.temporal).toEqual({ taskQueue: 'bellhop', separateQueues: [], uiUrl: null });
    expect(config.worker).toMatchObject({ queues: ['main', 'notices'], deployment: null });
    expect(config.composio.requestsPerMinute).toBe(2000);
    expect(config.composio.sdk).toBe('composio-core');
    expect(config.composio.authConfigs.size).toBe(0);
    expect(config.connect).toEqual({
      verifierUrl: null,
      returnUrls: [],
      pollIntervalMs: 15_000,
      callbackGraceMs: 60_000,
      freshAccountGraceMs: 60_000,
      timeoutMs: 604_800_000,
    });
    expect(config.notices).toEqual({ webhook: null, mail: null });
    expect(config.sabotage).toBeNull();
  });

  it('reads what the operator says that tools do, and refuses what is no effect or said twice', () => {
    const { composio } = loadConfig({ ...API, TOOL_EFFECTS: 'SLACK_FIND=read, NOTION_SYNC=write' }, 'api');
    expect([...composio.toolEffects]).toEqual([
      ['SLACK_FIND', 'read'],
      ['NOTION_SYNC', 'write'],
    ]);
    for (const wrong of ['SLACK_FIND', 'SLACK_FIND=maybe', 'A=read,A=write']) {
      expect(() => loadConfig({ ...API, TOOL_EFFECTS: wrong }, 'api')).toThrow(/TOOL_EFFECTS must be like/);
    }
  });

  it('has a worker serve the queues that are separate too, unless it is told what to serve', () => {
    const separate = { ...API, TEMPORAL_SEPARATE_QUEUES: 'tools, audit' };
    expect(loadConfig(separate, 'api').worker.queues).toEqual(['main', 'notices', 'tools', 'audit']);
    expect(loadConfig({ ...separate, WORKER_QUEUES: 'tools' }, 'api').worker.queues).toEqual(['tools']);
  });

  it('wants a deployment name and a build id together', () => {
    const name = { TEMPORAL_DEPLOYMENT_NAME: 'bellhop' };
    const buildId = { TEMPORAL_WORKER_BUILD_ID: '1.2.3-a1b2c3' };
    expect(loadConfig({ ...API, ...name, ...buildId }, 'api').worker.deployment).toEqual({
      name: 'bellhop',
      buildId: '1.2.3-a1b2c3',
    });
    for (const [half, missing] of [
      [name, /^TEMPORAL_WORKER_BUILD_ID is not set/],
      [buildId, /^TEMPORAL_DEPLOYMENT_NAME is not set/],
    ] as const) {
      const problems = problemsOf(() => loadConfig({ ...API, ...half }, 'api'));
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(missing);
    }
  });

  it('is frozen, its sections and lists too', () => {
    const config = loadConfig({ ...API, BELLHOP_RETURN_URLS: 'https://a.example/done' }, 'api');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.http)).toBe(true);
    expect(Object.isFrozen(config.connect.returnUrls)).toBe(true);
  });

  it('derives PUBLIC_URL from PORT and drops a trailing slash of a given one', () => {
    expect(loadConfig({ ...API, PORT: '3000' }, 'api').http.publicUrl).toBe('http://localhost:3000');
    expect(loadConfig({ ...API, PUBLIC_URL: 'https://b.example/' }, 'api').http.publicUrl).toBe(
      'https://b.example',
    );
  });

  it('keeps the verifier and webhook URLs exactly as written, and drops the last slash of base URLs', () => {
    const config = loadConfig(
      {
        ...API,
        BELLHOP_VERIFIER_URL: 'https://a.example/verify/',
        BELLHOP_WEBHOOK_URL: 'https://a.example/hook/',
        BELLHOP_WEBHOOK_SECRET: 'whsec_c2VjcmV0',
        COMPOSIO_BASE_URL: 'https://c.example/',
        OPENAI_BASE_URL: 'https://o.example/v1/',
      },
      'api',
    );
    expect(config.connect.verifierUrl).toBe('https://a.example/verify/');
    expect(config.notices.webhook?.url).toBe('https://a.example/hook/');
    expect(config.composio.baseUrl).toBe('https://c.example');
    expect(config.model.baseUrl).toBe('https://o.example/v1');
  });

  it('treats an empty variable as unset', () => {
    expect(loadConfig({ ...API, PORT: '', COMPOSIO_BASE_URL: ' ' }, 'api').composio.baseUrl).toBe(
      'https://backend.composio.dev',
    );
  });

  it('parses the auth configs to a map of lower-case apps', () => {
    const { authConfigs } = loadConfig(
      { ...API, COMPOSIO_AUTH_CONFIGS: 'Slack=ac_1, gmail = ac_2,' },
      'api',
    ).composio;
    expect([...authConfigs]).toEqual([
      ['slack', 'ac_1'],
      ['gmail', 'ac_2'],
    ]);
  });

  it.each(['no-reply@b.example', 'Bellhop <no-reply@b.example>', '"Acme, Inc." <bell@b.example>'])(
    'takes %s as a sender',
    (from) => {
      const { mail } = loadConfig({ ...API, SMTP_URL: 'smtps://m.example', MAIL_FROM: from }, 'api').notices;
      expect(mail).toEqual({ smtpUrl: 'smtps://m.example', from });
    },
  );

  it('keeps return URLs exactly as written', () => {
    const { returnUrls } = loadConfig(
      { ...API, BELLHOP_RETURN_URLS: 'https://a.example/x/, https://a.example/y?z=1' },
      'api',
    ).connect;
    expect(returnUrls).toEqual(['https://a.example/x/', 'https://a.example/y?z=1']);
  });

  it.each([
    ['api', ['DATABASE_URL', 'COMPOSIO_API_KEY']],
    ['worker', ['DATABASE_URL', 'COMPOSIO_API_KEY', 'OPENAI_API_KEY']],
    ['migrate', ['DATABASE_URL']],
  ] as const)('names every variable that the %s process lacks, and no other', (process, names) => {
    const problems = problemsOf(() => loadConfig({}, process));
    expect(problems).toHaveLength(names.length);
    for (const name of names) expect(problems.join('\n')).toContain(`${name} is not set`);
  });

  it.each([
    ['PORT', '80a'],
    ['PORT', '70000'],
    ['PUBLIC_URL', 'b.example'],
    ['PUBLIC_URL', 'https://b.example/path'],
    ['LOG_LEVEL', 'loud'],
    ['TRUSTED_PROXIES', 'proxy.example'],
    ['TRUSTED_PROXIES', '0.0.0.0/0'],
    ['TRUSTED_PROXIES', '10.0.0.0/33'],
    ['DATABASE_URL', 'mysql://localhost/b'],
    ['COMPOSIO_REQUESTS_PER_MINUTE', '0'],
    ['API_REQUESTS_PER_MINUTE', '-1'],
    ['COMPOSIO_AUTH_CONFIGS', 'slack'],
    ['COMPOSIO_AUTH_CONFIGS', 'slack=a,slack=b'],
    ['COMPOSIO_SDK', 'composio'],
    ['TEMPORAL_TASK_QUEUE', 'bellhop-tools'],
    ['TEMPORAL_SEPARATE_QUEUES', 'runs'],
    ['WORKER_QUEUES', 'main,main'],
    ['TEMPORAL_DEPLOYMENT_NAME', 'v1.2'],
    ['TEMPORAL_WORKER_BUILD_ID', 'a b'],
    ['CONNECT_TIMEOUT', '7 days'],
    ['CONNECT_POLL_INTERVAL', '0s'],
    ['BELLHOP_RETURN_URLS', '/done'],
    ['BELLHOP_API_KEY', 'two words'],
    ['AUDIT_CRON', 'hourly'],
    ['MAIL_FROM', 'Bellhop'],
    ['MAIL_FROM', 'a@x.example, b@x.example'],
    ['MAIL_FROM', 'Bellhop <a@x.example>\nBcc: b@x.example'],
    ['SABOTAGE', 'everything'],
  ])('refuses %s=%s in one line that names it and not its value', (name, text) => {
    const problems = problemsOf(() => loadConfig({ ...API, [name]: text }, 'api'));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} must be `));
  });

  it('tells everything that is wrong at once', () => {
    const problems = problemsOf(() => loadConfig({ PORT: 'x', LOG_LEVEL: 'loud' }, 'migrate'));
    expect(problems).toHaveLength(3);
  });

  it('never repeats a value, which may be a secret', () => {
    const secret = 'sk-very secret';
    const problems = problemsOf(() => loadConfig({ ...API, COMPOSIO_API_KEY: secret }, 'api'));
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toContain('very');
  });

  it('wants a secret with a webhook URL and a sender with an SMTP URL', () => {
    const problems = problemsOf(() =>
      loadConfig({ ...API, BELLHOP_WEBHOOK_URL: 'https://a.example', SMTP_URL: 'smtp://m.example' }, 'api'),
    );
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual(['BELLHOP_WEBHOOK_SECRET', 'MAIL_FROM']);
  });

  it('accepts SABOTAGE in a test and refuses it in production', () => {
    expect(loadConfig({ ...API, SABOTAGE: 'skip-scope' }, 'api').sabotage).toBe('skip-scope');
    expect(
      problemsOf(() => loadConfig({ ...API, SABOTAGE: 'skip-scope', NODE_ENV: 'production' }, 'api')),
    ).toHaveLength(1);
  });
});
