/** What the parts of a stage are started with. Types and names only. */
import type { OperationLog } from './log.ts';

export const API_KEY = 'chaos-bootstrap-key';
export const COMPOSIO_KEY = 'sandbox-composio-key';

export type StageOptions = {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly workers: number;
  readonly apis: number;
  readonly seed: number;
  readonly log: OperationLog;
};

/** What has to be stopped again, last first. */
export type Releases = (() => Promise<void> | void)[];
