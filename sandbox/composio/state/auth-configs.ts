/** Auth configs: how a project connects one toolkit. A fresh project has none. */
import { distinctTimestamp, nanoId } from './ids.ts';

export type AuthScheme = 'OAUTH2' | 'API_KEY';
export type AuthConfig = {
  readonly id: string;
  readonly name: string;
  readonly toolkit: string;
  readonly authScheme: AuthScheme;
  readonly isComposioManaged: boolean;
  isDisabled: boolean;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  updatedAt: string;
};

export class AuthConfigs {
  readonly #byId = new Map<string, AuthConfig>();

  create(details: Omit<AuthConfig, 'id' | 'createdAt' | 'updatedAt'> & { readonly id?: string }): AuthConfig {
    const at = distinctTimestamp();
    const config: AuthConfig = { ...details, id: details.id ?? nanoId('ac_'), createdAt: at, updatedAt: at };
    this.#byId.set(config.id, config);
    return config;
  }

  restore(config: AuthConfig): void {
    this.#byId.set(config.id, config);
  }

  get(id: string): AuthConfig | undefined {
    return this.#byId.get(id);
  }

  delete(id: string): boolean {
    return this.#byId.delete(id);
  }

  /** Newest first. */
  list(toolkit: string | null): readonly AuthConfig[] {
    return [...this.#byId.values()].filter((c) => toolkit === null || c.toolkit === toolkit).reverse();
  }
}

export function authConfigToWire(config: AuthConfig, connections: number): Record<string, unknown> {
  return {
    id: config.id,
    uuid: config.id,
    type: config.isComposioManaged ? 'default' : 'custom',
    name: config.name,
    toolkit: { slug: config.toolkit, logo: `https://logos.composio.dev/api/${config.toolkit}` },
    auth_scheme: config.authScheme,
    is_composio_managed: config.isComposioManaged,
    status: config.isDisabled ? 'DISABLED' : 'ENABLED',
    is_disabled: config.isDisabled,
    no_of_connections: connections,
    credentials: { scopes: config.scopes },
    expected_input_fields: [],
    restrict_to_following_tools: [],
    created_at: config.createdAt,
    last_updated_at: config.updatedAt,
  };
}
