/**
 * The model behind the port: one POST to `{baseUrl}/chat/completions` for each call, by the `openai` SDK with its retries,
 * logging and environment look-ups off. Temporal's policies are the only retry layer.
 */
import { OpenAI } from 'openai';
import { classify } from './classify.ts';
import { guardedFetch } from './guarded-fetch.ts';
import type { Completion, CompletionRequest, ModelPort } from './port.ts';
import { readAnswer } from './read-answer.ts';
import { toWireRequest } from './wire.ts';

export type ModelOptions = {
  readonly apiKey: string;
  /** With the version, e.g. `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly defaultModel: string;
  /** Whole time of one call, from the first byte sent to the last byte read. */
  readonly timeoutMs?: number;
};

/** Reasoning models take a minute or more; below the activity's own deadline, so that the cause is known. */
const DEFAULT_TIMEOUT_MS = 110_000;
/** The SDK's own timer must not decide before ours: its error does not say which of the two it was. */
const SDK_TIMEOUT_MARGIN_MS = 5_000;

/** @throws RangeError for an empty key, which the SDK would replace from the environment. */
export function createModel(options: ModelOptions): ModelPort {
  if (options.apiKey === '') throw new RangeError('the model needs an API key');
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const client = new OpenAI({
    apiKey: options.apiKey,
    baseURL: options.baseUrl,
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: timeoutMs + SDK_TIMEOUT_MARGIN_MS,
    logLevel: 'off',
    fetch: guardedFetch,
  });
  return {
    complete: (request) => complete(client, request, { defaultModel: options.defaultModel, timeoutMs }),
  };
}

async function complete(
  client: OpenAI,
  request: CompletionRequest,
  { defaultModel, timeoutMs }: { defaultModel: string; timeoutMs: number },
): Promise<Completion> {
  request.signal?.throwIfAborted();
  // Own controller and timer: those of AbortSignal.any and AbortSignal.timeout keep each finished request for the whole deadline.
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(request.signal?.reason);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    controller.abort();
  }, timeoutMs);
  request.signal?.addEventListener('abort', onAbort, { once: true });
  const wireRequest = toWireRequest(request, defaultModel);
  try {
    const answer: unknown = await client.chat.completions.create(wireRequest, { signal: controller.signal });
    return readAnswer(answer, request, wireRequest.model);
  } catch (error) {
    request.signal?.throwIfAborted();
    throw classify(error, { timedOut, now: Date.now() });
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', onAbort);
  }
}
