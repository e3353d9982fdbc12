/** What a person reads when a start fails: what they can put right in a line, an error of ours with where it came from. */
import { InUseError } from '../daemon.ts';
import { PartFailedError } from '../process.ts';
import { StartError } from '../start-error.ts';

/** No stack for what was foreseen; a stack for what was not, since then it is a defect. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isForeseen =
    error instanceof StartError || error instanceof PartFailedError || error instanceof InUseError;
  return isForeseen || error.stack === undefined ? `Bellhop: ${error.message}` : `Bellhop: ${error.stack}`;
}
