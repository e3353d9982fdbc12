/** What tracing gives to the main files. Types only, so that whoever takes them loads nothing of OpenTelemetry. */
import type { ClientInterceptors } from '@temporalio/client';
import type { WorkerOptions } from '@temporalio/worker';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { WatchComposio, WatchModel } from './watched-ports.ts';

export type Tracing = {
  /** One span per request; put before everything else. */
  readonly http: (
    req: IncomingMessage,
    res: ServerResponse & { locals: Record<string, unknown> },
    next: () => void,
  ) => void;
  /** Of a Temporal client: starts and signals, and the header that carries the trace on. */
  readonly client: ClientInterceptors;
  readonly worker: NonNullable<WorkerOptions['interceptors']>;
  readonly composio: WatchComposio;
  readonly model: WatchModel;
  /** Sends what is left. */
  close(): Promise<void>;
};
