/** A way to get the Temporal CLI. Type only. */
import type { Output } from '../progress.ts';

/** Puts the program at `target`, whole or not at all; throws when it cannot. */
export type Getter = (
  target: string,
  options: { readonly output: Output; readonly signal: AbortSignal | undefined },
) => Promise<void>;
