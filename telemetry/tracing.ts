/**
 * Traces, when the environment asks for them by OpenTelemetry's own variables. Off, nothing of OpenTelemetry is loaded; on,
 * the main files hand these parts to what they make.
 */
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

/** @param name the service, unless OTEL_SERVICE_NAME says another. */
export async function startTracing({ isOn, name }: { isOn: boolean; name: string }): Promise<Tracing | null> {
  if (!isOn) return null;
  const { createTracing } = await import('./open-telemetry.ts');
  return createTracing(name);
}
