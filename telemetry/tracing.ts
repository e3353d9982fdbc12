/**
 * Traces, when the environment asks for them by OpenTelemetry's own variables. Off, nothing of OpenTelemetry is loaded; on,
 * the main files hand these parts to what they make.
 */
import type { Tracing } from './tracing-parts.ts';

/** @param name the service, unless OTEL_SERVICE_NAME says another. */
export async function startTracing({ isOn, name }: { isOn: boolean; name: string }): Promise<Tracing | null> {
  if (!isOn) return null;
  const { createTracing } = await import('./open-telemetry.ts');
  return createTracing(name);
}
