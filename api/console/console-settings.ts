/** What the process that serves the console has been told about it. */
export type ConsoleSettings = {
  /** The folder of the built files. */
  readonly folder: string;
  /** A form that starts runs for any user. */
  readonly tryIt: boolean;
  /** Temporal's own UI, where people reach it. */
  readonly temporalUi: { readonly url: string; readonly namespace: string } | null;
};
