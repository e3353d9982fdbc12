/** Why an attempt that had the floor must not send. Both are repeated by Temporal's policy; the next attempt reads the ledger. */
export class SupersededCallError extends Error {
  override readonly name = 'SupersededCallError';
}

/** The process was frozen between its claim and its request. Nothing was sent. */
export class StaleClaimError extends Error {
  override readonly name = 'StaleClaimError';
}
