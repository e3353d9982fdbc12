/** The search attributes of the contract, as the Temporal CLI and its API name their types. Names only; no I/O. */
export const SEARCH_ATTRIBUTES = {
  BellhopUserId: 'Keyword',
  BellhopStatus: 'Keyword',
  BellhopApps: 'KeywordList',
} as const;
