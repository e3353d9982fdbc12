/** Who calls, by address: X-Forwarded-For is anybody's to write, so it counts from named proxies only. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BAD_KEYS_PER_MINUTE, createStrangerLimit } from '../../api/stranger-limit.ts';
import type { TestApi } from './setup/api.ts';
import { startTestApi } from './setup/api.ts';

let plain: TestApi;
let proxied: TestApi;
beforeAll(async () => {
  // No time goes by: how many guesses fit in is then the same on every machine.
  const limits = () => ({ keys: null, strangers: createStrangerLimit(() => 1_000) });
  plain = await startTestApi({ noWorker: true, deps: { limits: limits() } });
  proxied = await startTestApi({
    noWorker: true,
    deps: { limits: limits(), trustedProxies: ['127.0.0.1', '::ffff:127.0.0.1', '10.0.0.0/8'] },
  });
});
afterAll(async () => {
  await plain.close();
  await proxied.close();
});

/** Guesses keys as one who says to come from there. @returns the last answer's status. */
async function guess(api: TestApi, times: number, forwardedFor: (n: number) => string): Promise<number> {
  let status = 0;
  for (let n = 0; n < times; n += 1) {
    const headers = { authorization: `Bearer guess-${n}`, 'x-forwarded-for': forwardedFor(n) };
    ({ status } = await api.call('GET', '/v1/users', { headers }));
  }
  return status;
}

describe('X-Forwarded-For', () => {
  it('is not believed by default: another address for each guess does not help', async () => {
    expect(await guess(plain, BAD_KEYS_PER_MINUTE + 10, (n) => `203.0.113.${n % 250}`)).toBe(429);
  });

  it('of a named proxy says who calls: one who guesses is slowed down, others behind it are not', async () => {
    expect(await guess(proxied, BAD_KEYS_PER_MINUTE + 10, () => '203.0.113.1')).toBe(429);
    expect(await guess(proxied, 1, () => '203.0.113.2')).toBe(401);
  });

  it('is read from its end: what the caller wrote before the first proxy changes nothing', async () => {
    expect(
      await guess(proxied, BAD_KEYS_PER_MINUTE + 10, (n) => `198.51.100.${n % 250}, 203.0.113.3, 10.0.0.1`),
    ).toBe(429);
  });
});

describe('every answer', () => {
  it.each(['/v1/users', '/healthz', '/docs', '/connect/unknown', '/nowhere'])(
    'of %s forbids frames, scripts of others, sniffing, referrers and caching',
    async (path) => {
      const { headers } = await plain.call('GET', path);
      const policy = String(headers['content-security-policy']);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("base-uri 'none'");
      expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|\*/);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
      });
      expect(headers).not.toHaveProperty('x-powered-by');
    },
  );
});
