import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../config/config-error.ts';
import { loadTemporalConfig } from '../../config/temporal.ts';

// A file that is not there keeps the test away from whatever the machine's user has configured for the CLI.
const ALONE = { HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' };

describe('loadTemporalConfig', () => {
  it('means the local server and the default namespace when nothing is set', () => {
    const config = loadTemporalConfig(ALONE);
    expect(config.connectionOptions.address).toBe('localhost:7233');
    expect(config.connectionOptions.tls ?? false).toBe(false);
    expect(config.namespace).toBe('default');
  });

  it('reads address and namespace, and turns TLS on with an API key', () => {
    const config = loadTemporalConfig({
      ...ALONE,
      TEMPORAL_ADDRESS: 'ns.tmprl.cloud:7233',
      TEMPORAL_NAMESPACE: 'ns.acct',
      TEMPORAL_API_KEY: 'key',
    });
    expect(config.connectionOptions).toMatchObject({
      address: 'ns.tmprl.cloud:7233',
      apiKey: 'key',
      tls: true,
    });
    expect(config.namespace).toBe('ns.acct');
  });

  it('reports a named file that cannot be read as a ConfigError', () => {
    expect(() =>
      loadTemporalConfig({ ...ALONE, TEMPORAL_CONFIG_FILE: '/nonexistent/t.toml', TEMPORAL_PROFILE: 'x' }),
    ).toThrow(ConfigError);
  });
});
