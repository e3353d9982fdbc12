/** What a check found. The kinds are what the report counts. */
export const KINDS = ['duplicate', 'cross-user', 'lost', 'wrong outcome', 'notice', 'failed run'] as const;
export type Kind = (typeof KINDS)[number];
export type Violation = { readonly kind: Kind; readonly what: string };
