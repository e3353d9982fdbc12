import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ModelFailure } from '../../model/failure.ts';
import { createModel } from '../../model/openai.ts';
import type { ChatMessage, CompletionRequest, FunctionTool } from '../../model/port.ts';
import { type ModelSandboxControl, createModelSandboxControl } from '../../sandbox/model/control.ts';
import type { Fault } from '../../sandbox/model/protocol.ts';
import { type ModelSandbox, createModelSandbox } from '../../sandbox/model/server.ts';

const SECRET = 'sk-secret-key-0123456789';
const PROMPT = 'canary-prompt-4711';
const tool: FunctionTool = {
  type: 'function',
  function: {
    name: 'SLACK_SEND_MESSAGE',
    description: 'Sends a message',
    parameters: {
      type: 'object',
      properties: { channel: { type: 'string' }, text: { type: 'string' } },
      required: ['channel'],
    },
  },
};
const task: readonly ChatMessage[] = [{ role: 'user', content: `Tell #general that ${PROMPT} is out` }];
const request: CompletionRequest = { model: null, messages: task, tools: [tool] };

let sandbox: ModelSandbox;
let control: ModelSandboxControl;
beforeAll(async () => {
  sandbox = await createModelSandbox();
  control = createModelSandboxControl(sandbox.url);
});
afterEach(() => control.reset());
afterAll(() => sandbox.close());

const model = (timeoutMs = 5_000, baseUrl = `${sandbox.url}/v1`) =>
  createModel({ apiKey: SECRET, baseUrl, defaultModel: 'gpt-default', timeoutMs });

async function failureOf(promise: Promise<unknown>): Promise<ModelFailure> {
  const error: unknown = await promise.then(
    (value) => expect.fail(`answered ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ModelFailure)) throw new Error('not a ModelFailure', { cause: error });
  const shown = `${error.message} ${JSON.stringify(error)} ${error.stack ?? ''}`;
  expect(shown).not.toContain(PROMPT);
  expect(shown).not.toContain(SECRET);
  expect(error.cause).toBeUndefined();
  return error;
}

const complete = async (fault: Fault) => {
  await control.fault({ fault, times: 1 });
  return model().complete(request);
};
const failWith = async (fault: Fault) => {
  await control.fault({ fault, times: 1 });
  return failureOf(model().complete(request));
};

describe('a conversation', () => {
  test('gives the calls of the model, and after their results its closing words', async () => {
    const first = await model().complete(request);
    expect(first).toMatchObject({
      content: null,
      refusal: null,
      finishReason: 'tool_calls',
      model: 'gpt-default',
    });
    expect(first.toolCalls).toHaveLength(1);
    expect(JSON.parse(first.toolCalls[0]?.arguments ?? '')).toEqual({
      channel: 'general',
      text: `${PROMPT} is out`,
    });
    expect(first.usage.inputTokens).toBeGreaterThan(10);

    const messages: readonly ChatMessage[] = [
      { role: 'system', content: 'Be kind.' },
      ...task,
      { role: 'assistant', content: first.content, toolCalls: first.toolCalls },
      {
        role: 'tool',
        toolCallId: first.toolCalls[0]?.id ?? '',
        content: '{"successful":true,"data":{"ts":"1.2"}}',
      },
    ];
    const last = await model().complete({ ...request, messages, model: 'gpt-other', maxOutputTokens: 99 });
    expect(last).toMatchObject({ toolCalls: [], finishReason: 'stop', model: 'gpt-other' });
    expect(last.content).toContain('#general');

    const logged = (await control.requests()).at(-1);
    expect(logged?.body).toMatchObject({
      model: 'gpt-other',
      max_completion_tokens: 99,
      messages: [
        { role: 'system' },
        { role: 'user' },
        { role: 'assistant', tool_calls: [{ type: 'function' }] },
        { role: 'tool' },
      ],
    });
  });

  test('leaves empty lists out, which the API would refuse', async () => {
    const answer = await model().complete({
      model: null,
      messages: [
        ...task,
        { role: 'assistant', content: null, toolCalls: [] },
        { role: 'user', content: 'Hello?' },
      ],
      tools: [],
    });
    expect(answer.content).not.toBeNull();
    const body = (await control.requests())[0]?.body as { tools?: unknown; messages: unknown[] };
    expect(body).not.toHaveProperty('tools');
    expect(body.messages[1]).toEqual({ role: 'assistant', content: '' });
  });

  test('sends the four headers it means to send, whatever the environment says', async () => {
    process.env['OPENAI_CUSTOM_HEADERS'] = 'x-leak: 1';
    process.env['OPENAI_ORG_ID'] = 'org-leak';
    try {
      await model().complete(request);
    } finally {
      delete process.env['OPENAI_CUSTOM_HEADERS'];
      delete process.env['OPENAI_ORG_ID'];
    }
    const { headers } = (await control.requests())[0] ?? { headers: {} };
    const own = Object.keys(headers).filter(
      (name) => !/^(?:host|connection|accept-|sec-fetch|content-length)/.test(name),
    );
    expect(own.sort()).toEqual(['accept', 'authorization', 'content-type', 'user-agent']);
  });

  test('refuses an empty key, which the SDK would take from the environment', () => {
    expect(() => createModel({ apiKey: '', baseUrl: 'http://127.0.0.1:1/v1', defaultModel: 'm' })).toThrow(
      RangeError,
    );
  });
});

describe('a failure', () => {
  test.each([
    [{ status: 400 }, 'bad_request', false],
    [{ status: 400, code: 'context_length_exceeded' }, 'bad_request', false],
    [{ status: 400, code: 'model_not_found' }, 'config', false],
    [{ status: 401, code: 'invalid_api_key' }, 'config', false],
    [{ status: 403 }, 'config', false],
    [{ status: 404, code: 'model_not_found' }, 'config', false],
    [{ status: 408 }, 'transient', true],
    [{ status: 409 }, 'transient', true],
    [{ status: 422 }, 'bad_request', false],
    [{ status: 429 }, 'rate_limited', true],
    [{ status: 429, code: 'insufficient_quota' }, 'config', false],
    [{ status: 500 }, 'transient', true],
    [{ status: 503 }, 'transient', true],
    [{ status: 307 }, 'transient', true],
    [{ status: 308 }, 'config', false],
    [{ status: 400, code: 'content_filter' }, 'refused', false],
    [{ status: 413 }, 'bad_request', false],
    [{ status: 503, code: 'model_not_found' }, 'transient', true],
  ] as const)('with %j is %s, retryable: %s', async (status, kind, retryable) => {
    const failure = await failWith({ kind: 'status', ...status });
    expect(failure).toMatchObject({ kind, retryable, httpStatus: status.status });
    expect(failure.requestId).toMatch(/^req_/);
  });

  test('carries Retry-After as milliseconds, in each of its three spellings', async () => {
    expect((await failWith({ kind: 'status', status: 429, retryAfter: '7' })).retryAfterMs).toBe(7_000);
    expect(
      (await failWith({ kind: 'status', status: 503, retryAfter: '7', retryAfterMs: 250 })).retryAfterMs,
    ).toBe(250);
    const date = new Date(Date.now() + 30_000).toUTCString();
    const { retryAfterMs } = await failWith({ kind: 'status', status: 429, retryAfter: date });
    expect(retryAfterMs).toBeGreaterThan(20_000);
    expect(retryAfterMs).toBeLessThanOrEqual(30_000);
    expect((await failWith({ kind: 'status', status: 429 })).retryAfterMs).toBeNull();
  });

  test('is not retried by the SDK: one request each', async () => {
    await failWith({ kind: 'status', status: 500 });
    await failWith({ kind: 'reset' });
    await failWith({ kind: 'status', status: 429, retryAfter: '0' });
    expect(await control.requests()).toHaveLength(3);
  });

  test.each(['empty_choices', 'missing_message', 'unknown_call_type'] as const)(
    'with %s is a bad answer and no TypeError',
    async (kind) => {
      expect(await failWith({ kind })).toMatchObject({ kind: 'bad_answer', retryable: true });
    },
  );

  test.each(['invalid_json', 'html', 'empty_body'] as const)(
    'with %s is an outage: nothing of it is the model speaking',
    async (kind) => {
      expect(await failWith({ kind })).toMatchObject({ kind: 'transient', retryable: true });
    },
  );

  test.each(['reset', 'reset_mid_body'] as const)('with %s is transient', async (kind) => {
    expect(await failWith({ kind })).toMatchObject({ kind: 'transient', httpStatus: null });
  });

  test.each([{ kind: 'hang' }, { kind: 'trickle', ms: 20 }] as const)(
    'with %j ends at the deadline',
    async (fault) => {
      await control.fault({ fault, times: 1 });
      const started = performance.now();
      const failure = await failureOf(model(300).complete(request));
      expect(failure).toMatchObject({ kind: 'transient', code: 'timeout' });
      expect(performance.now() - started).toBeLessThan(30_000);
    },
  );

  test('of size stops reading at 4 MiB', async () => {
    expect(await failWith({ kind: 'huge', bytes: 4 * 1024 * 1024 })).toMatchObject({
      kind: 'bad_answer',
      code: 'too_large',
    });
    // Just below it is read, and then found to have no choices.
    expect(await failWith({ kind: 'huge', bytes: 4 * 1024 * 1024 - 1_000 })).toMatchObject({
      code: 'no_choices',
    });
  });

  test('to connect is unavailable', async () => {
    const closed = await createModelSandbox();
    await closed.close();
    const failure = await failureOf(model(2_000, `${closed.url}/v1`).complete(request));
    expect(failure).toMatchObject({ kind: 'unavailable', code: 'ECONNREFUSED', retryable: true });
  });

  test('of a redirect sends nothing to the other host', async () => {
    let reached = 0;
    const other = createServer((_request, response) => {
      reached += 1;
      response.end('{}');
    });
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const redirecting = createServer((_request, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${port}/v1/chat/completions` }).end();
    });
    await new Promise<void>((resolve) => void redirecting.listen(0, '127.0.0.1', resolve));
    const from = (redirecting.address() as AddressInfo).port;
    const failure = await failureOf(model(2_000, `http://127.0.0.1:${from}/v1`).complete(request));
    for (const server of [other, redirecting]) {
      server.closeAllConnections();
      server.close();
    }
    expect(failure).toMatchObject({ kind: 'transient', httpStatus: 307 });
    expect(reached).toBe(0);
  });

  test("of the caller's own abort is the caller's reason, unchanged, and frees the connection", async () => {
    await control.fault({ fault: { kind: 'hang' }, times: 1 });
    const abort = new AbortController();
    const reason = new Error('cancelled by the workflow');
    setTimeout(() => abort.abort(reason), 100);
    await expect(model().complete({ ...request, signal: abort.signal })).rejects.toBe(reason);
    await expect(model().complete({ ...request, signal: abort.signal })).rejects.toBe(reason);
    expect(await control.requests()).toHaveLength(1);
  });
});

describe('an odd answer', () => {
  test('without content is a completion that says nothing', async () => {
    expect(await complete({ kind: 'null_content' })).toMatchObject({
      content: null,
      toolCalls: [],
      finishReason: 'stop',
    });
  });

  test('with an unknown finish reason is taken for what it holds', async () => {
    const answer = await complete({ kind: 'unknown_finish_reason' });
    expect(answer).toMatchObject({ finishReason: 'tool_calls', toolCalls: [{ name: 'SLACK_SEND_MESSAGE' }] });
  });

  test.each(['length', 'content_filter'] as const)('that ended by %s says so', async (kind) => {
    expect((await complete({ kind })).finishReason).toBe(kind);
  });

  test('without usage is counted by estimate, never as nothing', async () => {
    const { usage } = await complete({ kind: 'missing_usage' });
    expect(usage.inputTokens).toBeGreaterThan(10);
    expect(usage.outputTokens).toBeGreaterThan(5);
  });

  test('with one id for two different calls gives two calls with two ids', async () => {
    const { toolCalls } = await complete({ kind: 'duplicate_ids' });
    expect(toolCalls).toHaveLength(2);
    expect(new Set(toolCalls.map((call) => call.id)).size).toBe(2);
  });

  test('with 200 calls gives 200 calls with 200 ids', async () => {
    const { toolCalls } = await complete({ kind: 'parallel_calls', count: 200 });
    expect(new Set(toolCalls.map((call) => call.id)).size).toBe(200);
  });

  test('with arguments that are no JSON hands them on as they are', async () => {
    expect((await complete({ kind: 'invalid_arguments' })).toolCalls[0]?.arguments).toBe('{"text": "not clo');
  });

  test('with a refusal is a completion with a refusal', async () => {
    await control.script({ marker: PROMPT, answers: [{ content: null, refusal: 'I will not.' }] });
    expect(await model().complete(request)).toMatchObject({
      content: null,
      refusal: 'I will not.',
      finishReason: 'stop',
    });
  });
});
