/** What an API key may do. `admin` includes the others. */
export const SCOPES = ['runs', 'operator', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];
