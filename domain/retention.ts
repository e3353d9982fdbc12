/** How long what is over is kept, milliseconds from its end; null: forever. */
export type Retention = {
  /** Runs with their transcripts and tool calls; of a thread that is still used, none goes. */
  readonly runsMs: number | null;
  readonly eventsMs: number | null;
  /** Notices with their deliveries. */
  readonly deliveriesMs: number | null;
  /** Connection flows with their attempts, and episodes. */
  readonly flowsMs: number | null;
  readonly auditsMs: number | null;
};
