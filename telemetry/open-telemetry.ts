/**
 * The only file that knows OpenTelemetry; loaded only where traces are on. Spans have ids, names, statuses and counts, and
 * never what anybody wrote. Exporter, sampler and resource read OTEL_… by themselves.
 */
import {
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  context,
  propagation,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource, detectResourcesSync, envDetectorSync } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import {
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import { ComposioFailure } from '../composio/failure.ts';
import { ModelFailure } from '../model/failure.ts';
import type { Tracing } from './tracing-parts.ts';

/** Asked every few seconds by whoever supervises the process. */
const PROBES = new Set(['/healthz', '/readyz']);

export function createTracing(name: string): Tracing {
  const resource = new Resource({ 'service.name': name }).merge(
    detectResourcesSync({ detectors: [envDetectorSync] }),
  );
  const provider = new BasicTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register({
    contextManager: new AsyncLocalStorageContextManager().enable(),
    // Not baggage: it is the caller's text, and would travel on into workflow history.
    propagator: new W3CTraceContextPropagator(),
  });
  const tracer = provider.getTracer('bellhop');

  async function within<T>(
    name: string,
    attributes: Record<string, string>,
    work: (span: Span) => Promise<T>,
  ): Promise<T> {
    return tracer.startActiveSpan(name, { kind: SpanKind.CLIENT, attributes }, async (span) => {
      try {
        return await work(span);
      } catch (error) {
        // Its kind, not its text: that of a refused call quotes what was sent.
        const isOurs = error instanceof ComposioFailure || error instanceof ModelFailure;
        span.setStatus({ code: SpanStatusCode.ERROR, message: isOurs ? error.kind : 'aborted' });
        throw error;
      } finally {
        span.end();
      }
    });
  }

  const workflow = [new OpenTelemetryWorkflowClientInterceptor({ tracer })];
  return {
    http: (req, res, next) => {
      const [path = ''] = (req.url ?? '').split('?', 1);
      if (PROBES.has(path)) return next();
      const { traceparent } = req.headers;
      const method = req.method ?? '';
      // Only the ids of a caller's trace: its state is the caller's text.
      const parent = propagation.extract(ROOT_CONTEXT, traceparent === undefined ? {} : { traceparent });
      const span = tracer.startSpan(
        method,
        { kind: SpanKind.SERVER, attributes: { 'http.request.method': method } },
        parent,
      );
      res.once('close', () => {
        const { route, ids } = res.locals as { route?: { path: string }; ids?: Record<string, string> };
        if (route) span.updateName(`${method} ${route.path}`).setAttribute('http.route', route.path);
        for (const [key, value] of Object.entries(ids ?? {})) span.setAttribute(`bellhop.${key}`, value);
        span.setAttribute('http.response.status_code', res.statusCode);
        if (res.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      });
      return context.with(trace.setSpan(parent, span), next);
    },
    client: { workflow },
    worker: {
      client: { workflow },
      activity: [
        (activity) => ({
          inbound: new OpenTelemetryActivityInboundInterceptor(activity, { tracer }),
          outbound: new OpenTelemetryActivityOutboundInterceptor(activity),
        }),
      ],
    },
    composio: (call, work) => {
      const { operation, tool, app } = call;
      const attributes = {
        ...(tool === undefined ? {} : { 'bellhop.tool': tool }),
        ...(app === undefined ? {} : { 'bellhop.app': app }),
      };
      return within(`composio ${tool ?? operation}`, attributes, work);
    },
    model: (work) =>
      within('model completion', {}, async (span) => {
        const completion = await work();
        span.setAttribute('bellhop.finish_reason', completion.finishReason);
        span.setAttribute('bellhop.tokens.input', completion.usage.inputTokens);
        span.setAttribute('bellhop.tokens.output', completion.usage.outputTokens);
        return completion;
      }),
    close: () => provider.shutdown(),
  };
}
