/** Refuses a Node that can read TypeScript but is older than what Bellhop is tested with. Pure but for the throw. */
import { StartError } from '../start-error.ts';

const OLDEST_MAJOR = 24;

/** `version` as in process.versions.node. Throws StartError. */
export function refuseOldNode(version: string): void {
  if (Number(version.split('.')[0]) >= OLDEST_MAJOR) return;
  throw new StartError(
    `Bellhop needs Node ${OLDEST_MAJOR} or newer, this is ${version}: run "npm ci" and "npm start", which bring their own`,
  );
}
