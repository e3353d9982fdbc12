/** What an erasure reports: how much there was, never what. */
export type ErasureCounts = {
  readonly runs: number;
  readonly flows: number;
  readonly notices: number;
  /** Accounts deleted at Composio. */
  readonly connections: number;
  /** Accounts that Composio refused to delete: for a person to look at there. */
  readonly connectionsRefused: number;
  /** Workflow executions deleted at Temporal. */
  readonly executions: number;
};
