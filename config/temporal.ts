/** How to reach Temporal: its own variables (and its TOML file, when one is named), read by its own library. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { ConfigError } from './config-error.ts';
import type { Env } from './load-config.ts';

/** The variables of Temporal's that .env.example names. Its library knows more; they work too. */
export const TEMPORAL_VARIABLES = [
  'TEMPORAL_ADDRESS',
  'TEMPORAL_NAMESPACE',
  'TEMPORAL_API_KEY',
  'TEMPORAL_TLS',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  'TEMPORAL_TLS_SERVER_NAME',
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_PROFILE',
] as const;

export type TemporalConfig = {
  /** For `Connection.connect` and `NativeConnection.connect`, which take the same shape. */
  readonly connectionOptions: ReturnType<typeof loadClientConnectConfig>['connectionOptions'] & {
    address: string;
  };
  readonly namespace: string;
};

/** @throws ConfigError when a variable or the named file cannot be read. */
export function loadTemporalConfig(env: Env): TemporalConfig {
  const set: Record<string, string> = {};
  for (const [name, text] of Object.entries(env)) if (text) set[name] = text;
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: set });
    // A key set to undefined is not an absent key to every consumer, so unset options are left out.
    const options = Object.fromEntries(Object.entries(connectionOptions).filter(([, v]) => v !== undefined));
    return {
      connectionOptions: { ...options, address: connectionOptions.address ?? 'localhost:7233' },
      namespace: namespace ?? 'default',
    };
  } catch (error) {
    throw new ConfigError([`TEMPORAL_* ${error instanceof Error ? error.message : String(error)}`]);
  }
}
