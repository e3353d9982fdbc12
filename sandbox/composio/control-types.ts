/** What the control API takes and gives. Shared by its server side and its client, so that the two cannot differ. */
import type { ConnectionStatus } from '../../domain/statuses.ts';
import type { SandboxSettings } from './options.ts';
import type { AccountPatch } from './state/accounts.ts';

/** One account to plant, bypassing consent. The app's auth config is made when there is none. */
export type AccountSeed = {
  readonly userId: string;
  /** Toolkit slug. */
  readonly app: string;
  /** Default ACTIVE. */
  readonly status?: ConnectionStatus;
  readonly statusReason?: string;
  readonly accountName?: string;
  readonly disabled?: boolean;
  readonly authConfigId?: string;
  readonly id?: string;
  /** RFC 3339; default now. */
  readonly createdAt?: string;
};

/** Many accounts at once: users `<userIdPrefix>0` to `<userIdPrefix><count-1>`, one account each. */
export type AccountSeries = {
  readonly count: number;
  readonly userIdPrefix: string;
  readonly app: string;
  readonly status?: ConnectionStatus;
  /** Every n-th account (1 is all) gets `everyStatus` instead. */
  readonly every?: number;
  readonly everyStatus?: ConnectionStatus;
};

export type SandboxAccount = {
  readonly id: string;
  readonly userId: string;
  readonly app: string;
  readonly authConfigId: string;
  readonly status: ConnectionStatus;
  readonly statusReason: string | null;
  readonly disabled: boolean;
  readonly accountName: string;
  readonly revokedAtProvider: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
};

export type AccountChange = Pick<
  AccountPatch,
  'status' | 'statusReason' | 'disabled' | 'alias' | 'accountName' | 'revokedAtProvider'
>;

export type AccountFilter = {
  readonly userId?: string;
  readonly app?: string;
  readonly status?: ConnectionStatus;
};
export type EffectFilter = {
  /** Only sequence numbers above this. */
  readonly since?: number;
  readonly slug?: string;
  readonly userId?: string;
  readonly accountId?: string;
  /** Leaves out what changed nothing. */
  readonly writesOnly?: boolean;
};
export type RequestFilter = {
  readonly since?: number;
  readonly route?: string;
  readonly slug?: string;
  readonly userId?: string;
  readonly status?: number;
};
export type RequestSummary = { readonly total: number; readonly byRoute: Readonly<Record<string, number>> };
export type SandboxSummary = {
  readonly settings: SandboxSettings;
  readonly accounts: number;
  readonly effects: number;
  readonly requests: RequestSummary;
  readonly faults: number;
};
export type BarrierState = Readonly<
  Record<string, { readonly open: boolean; readonly waiting: number; readonly arrived: number }>
>;
