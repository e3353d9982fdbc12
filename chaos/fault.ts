/** The faults, as data: what the schedule is made of and the operation log holds. Types and names only. */
import type { FaultAction } from '../sandbox/composio/faults/fault.ts';
import type { Fault as ModelFault } from '../sandbox/model/protocol.ts';

/** The connections that a fault proxy stands in: who dials whom. */
export const LINKS = [
  'worker-postgres',
  'worker-temporal',
  'worker-composio',
  'worker-model',
  'api-postgres',
  'api-temporal',
  'api-composio',
  'client-api',
] as const;
export type LinkName = (typeof LINKS)[number];

export type LinkFault =
  /** Every connection is cut at once; new ones are let through. */
  | { readonly how: 'reset' }
  /** New connections are cut too. */
  | { readonly how: 'refuse' }
  /** Nothing passes; afterwards everything does. */
  | { readonly how: 'stall' }
  /** What is sent is lost; afterwards these connections are cut. */
  | { readonly how: 'black-hole' }
  | { readonly how: 'delay'; readonly ms: number }
  /** Each connection is cut when this many bytes of answers have passed. */
  | { readonly how: 'cut-after'; readonly bytes: number }
  /** A request that holds these words arrives; its answer does not, and the connection is cut. So many times. */
  | { readonly how: 'drop-answer'; readonly to: string; readonly times: number };

export const BREAKS = ['EXPIRED', 'FAILED', 'INACTIVE', 'REVOKED', 'provider', 'deleted'] as const;
export type Break = (typeof BREAKS)[number];

export const KILLED_PARTS = ['worker', 'api', 'temporal', 'postgres'] as const;
export type KilledPart = (typeof KILLED_PARTS)[number];

/** `pick`, `user` and `app` are shares (0 to 1) of however many there are. */
export type Fault =
  | {
      readonly kind: 'kill';
      readonly part: KilledPart;
      readonly pick: number;
      /** It waits for an effect, and strikes before its answer. */
      readonly isAimed: boolean;
      /** It strikes whatever is alive, the last one of its kind too. */
      readonly isRash: boolean;
    }
  /** SIGKILL of every worker at once, between an effect and its answer. */
  | { readonly kind: 'blackout' }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: 'freeze'; readonly pick: number; readonly forMs: number }
  /** SIGTERM: a deploy. */
  | { readonly kind: 'deploy'; readonly pick: number }
  | {
      readonly kind: 'link';
      readonly link: LinkName;
      readonly fault: LinkFault;
      readonly forMs: number;
    }
  | {
      readonly kind: 'composio';
      readonly action: FaultAction;
      /** Of the requests that it fits. */
      readonly share: number;
      readonly route: string | null;
      readonly forMs: number;
    }
  | { readonly kind: 'model'; readonly fault: ModelFault; readonly times: number }
  | { readonly kind: 'break'; readonly how: Break; readonly user: number; readonly app: number };

export type Planned = { readonly n: number; readonly atMs: number; readonly fault: Fault };
