import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ModelSandboxControl, createModelSandboxControl } from '../../sandbox/model/control.ts';
import { type ModelSandbox, createModelSandbox } from '../../sandbox/model/server.ts';

type Answer = {
  id: string;
  choices: {
    message: {
      content: string | null;
      tool_calls?: { id: string; function: { name: string; arguments: string } }[];
    };
    finish_reason: string;
  }[];
  usage: { prompt_tokens: number; completion_tokens: number };
};
const TOOLS = [
  {
    type: 'function',
    function: { name: 'SLACK_SEND_MESSAGE', description: '', parameters: { type: 'object', properties: {} } },
  },
];
const user = (content: string) => ({ role: 'user', content });
const said = (content: string) => ({ role: 'assistant', content });

let sandbox: ModelSandbox;
let control: ModelSandboxControl;
beforeAll(async () => {
  sandbox = await createModelSandbox();
  control = createModelSandboxControl(sandbox.url);
});
afterEach(() => control.reset());
afterAll(() => sandbox.close());

function post(
  body: unknown,
  headers: Record<string, string> = { authorization: 'Bearer any' },
): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(`${sandbox.url}/v1/chat/completions`, { method: 'POST', headers, body: text });
}
async function ask(...messages: readonly object[]): Promise<Answer> {
  const response = await post({ model: 'm', messages, tools: TOOLS });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}
const contentOf = (answer: Answer) => answer.choices[0]?.message.content;

describe('the API', () => {
  test('wants a key that is not empty', async () => {
    for (const authorization of ['', 'Bearer ', 'Basic x']) {
      const response = await post({}, { authorization });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    }
    expect(await control.requests()).toEqual([]);
  });

  test('lists a model, and answers 404 and 405 to what it does not have', async () => {
    const get = (path: string) => fetch(`${sandbox.url}${path}`, { headers: { authorization: 'Bearer k' } });
    expect(await (await get('/v1/models')).json()).toMatchObject({
      object: 'list',
      data: [{ object: 'model' }],
    });
    expect((await get('/v1/responses')).status).toBe(404);
    expect((await get('/v1/chat/completions')).status).toBe(405);
  });

  test.each([
    ['no JSON', 'x'],
    ['no model', { messages: [user('a')] }],
    ['no messages', { model: 'm', messages: [] }],
    ['an empty list of tools', { model: 'm', messages: [user('a')], tools: [] }],
    [
      'a function name with a dot',
      { model: 'm', messages: [user('a')], tools: [{ type: 'function', function: { name: 'a.b' } }] },
    ],
    [
      'a result without its call',
      { model: 'm', messages: [user('a'), { role: 'tool', tool_call_id: 'c', content: '' }] },
    ],
    [
      'a call without its result',
      {
        model: 'm',
        messages: [
          user('a'),
          {
            role: 'assistant',
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'T', arguments: '{}' } }],
          },
          user('b'),
        ],
      },
    ],
    ['streaming', { model: 'm', messages: [user('a')], stream: true }],
  ])('refuses %s with 400, as the real one does', async (_name, body) => {
    expect((await post(body)).status).toBe(400);
  });

  test('counts tokens by the length of the texts', async () => {
    const short = await ask(user('Hello'));
    const long = await ask(user('Hello '.repeat(1_000)));
    expect(long.usage.prompt_tokens - short.usage.prompt_tokens).toBeGreaterThan(1_000);
    expect(short.usage.completion_tokens).toBeGreaterThan(0);
  });

  test('gives no id twice', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(user('Hello'))));
    expect(new Set(answers.map((answer) => answer.id)).size).toBe(20);
  });
});

describe('scripts', () => {
  test('give the same answer to a repeated request, and the next one to the next turn', async () => {
    await control.script({ marker: 'canary-1', answers: [{ content: 'one' }, { content: 'two' }] });
    expect(contentOf(await ask(user('canary-1')))).toBe('one');
    expect(contentOf(await ask(user('canary-1')))).toBe('one');
    expect(contentOf(await ask(user('canary-1'), said('one'), user('go on')))).toBe('two');
    expect(contentOf(await ask(user('canary-1'), said('one'), said('two'), user('go on')))).toBe(
      'The script is over.',
    );
  });

  test('start anew with the task that names them, in a thread with earlier turns', async () => {
    await control.script({ marker: 'canary-1', answers: [{ content: 'one' }] });
    expect(contentOf(await ask(user('earlier'), said('x'), said('y'), user('now canary-1')))).toBe('one');
  });

  test('do not answer for a marker that only begins like theirs', async () => {
    await control.script({ marker: 'canary-10', answers: [{ content: 'of 10' }] });
    await control.script({ marker: 'canary-1', answers: [{ content: 'of 1' }] });
    await control.script({ marker: 'canary-100', answers: [{ content: 'of 100' }] });
    expect(contentOf(await ask(user('canary-10')))).toBe('of 10');
    expect(contentOf(await ask(user('canary-1')))).toBe('of 1');
    expect(contentOf(await ask(user('canary-2')))).not.toMatch(/^of/);
  });

  test('carry calls with arguments as an object or as raw text, and finish reasons', async () => {
    const toolCalls = [
      { name: 'A', arguments: { x: 1 } },
      { name: 'B', arguments: '{"x":' },
      { name: 'C', id: 'my-id' },
    ];
    await control.script({
      marker: 'm1',
      answers: [{ toolCalls, finishReason: 'length', usage: { inputTokens: 5, outputTokens: 7 } }],
    });
    const answer = await ask(user('m1'));
    const calls = answer.choices[0]?.message.tool_calls;
    expect(calls?.map((call) => call.function)).toEqual([
      { name: 'A', arguments: '{"x":1}' },
      { name: 'B', arguments: '{"x":' },
      { name: 'C', arguments: '{}' },
    ]);
    expect(calls?.[2]?.id).toBe('my-id');
    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage).toEqual({ prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 });
  });

  test('repeat the last answer for ever when told to', async () => {
    await control.script({ marker: 'm1', answers: [{ content: 'again' }], repeatLast: true });
    expect(contentOf(await ask(user('m1'), said('again'), said('again')))).toBe('again');
  });

  test('work inline in the task, without a control call', async () => {
    const task =
      'Do it.\n```script\n[{"toolCalls":[{"name":"A","arguments":{"x":1}}]},{"content":"two"}]\n```';
    const first = await ask(user(task));
    expect(first.choices[0]?.message.tool_calls?.[0]?.function).toEqual({ name: 'A', arguments: '{"x":1}' });
    expect(contentOf(await ask(user(task), said('x'), user('and?')))).not.toBe('two');
    expect(contentOf(await ask(user(task), said('x')))).toBe('two');
    expect(contentOf(await ask(user('```script\n{nonsense\n```')))).toContain('not valid JSON');
  });

  test('meet their fault as often as they say, then give the answer', async () => {
    await control.script({
      marker: 'm1',
      answers: [{ content: 'one', fault: { kind: 'status', status: 503 }, times: 2 }],
    });
    const statuses: number[] = [];
    for (let count = 0; count < 3; count += 1)
      statuses.push((await post({ model: 'm', messages: [user('m1')] })).status);
    expect(statuses).toEqual([503, 503, 200]);
  });

  test('are refused when they make no sense', async () => {
    const refused = { marker: 'm1', answers: ['x'] } as never;
    await expect(control.script(refused)).rejects.toThrow(/400/);
    await expect(control.script({ marker: '', answers: [] })).rejects.toThrow(/400/);
    const misspelt = { marker: 'm1', answers: [{ fault: { kind: 'typo' } }] } as never;
    await expect(control.script(misspelt)).rejects.toThrow(/400/);
    await expect(control.fault({} as never)).rejects.toThrow(/400/);
    await expect(control.fault({ fault: { kind: 'typo' } as never })).rejects.toThrow(/400/);
  });
});

describe('faults', () => {
  test('strike the conversations with their marker and no others', async () => {
    await control.fault({ marker: 'bad', fault: { kind: 'status', status: 429, retryAfter: '3' } });
    const response = await post({ model: 'm', messages: [user('bad luck')] });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('3');
    expect((await post({ model: 'm', messages: [user('good luck')] })).status).toBe(200);
  });

  test('make an answer late and leave it right', async () => {
    await control.fault({ fault: { kind: 'latency', ms: 150 }, times: 1 });
    const started = performance.now();
    expect(contentOf(await ask(user('Hello')))).not.toBeNull();
    expect(performance.now() - started).toBeGreaterThanOrEqual(145);
  });

  test('that hang do not keep the sandbox from closing', async () => {
    const other = await createModelSandbox();
    await createModelSandboxControl(other.url).fault({ fault: { kind: 'hang' } });
    const hanging = fetch(`${other.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer k' },
      body: JSON.stringify({ model: 'm', messages: [user('Hello')] }),
    });
    const isCut = expect(hanging).rejects.toThrow('fetch failed');
    await expect
      .poll(async () => (await createModelSandboxControl(other.url).requests())[0]?.outcome)
      .toBe('hang');
    await other.close();
    await isCut;
  });
});

describe('the request log', () => {
  test('keeps whole bodies, outcomes and headers, and no key', async () => {
    await post(
      { model: 'm', messages: [user('first "quoted" canary')] },
      { authorization: 'Bearer sk-real' },
    );
    await control.fault({ fault: { kind: 'status', status: 500 }, times: 1 });
    await post({ model: 'm', messages: [user('second')] });
    const all = await control.requests();
    expect(all.map(({ seq, outcome }) => [seq, outcome])).toEqual(
      [
        [1, 200],
        [2, 500],
      ].map(([seq = 0, outcome]) => [seq + (all[0]?.seq ?? 0) - 1, outcome]),
    );
    expect(all[0]?.body).toEqual({ model: 'm', messages: [user('first "quoted" canary')] });
    expect(JSON.stringify(all)).not.toContain('sk-real');
    expect(await control.requests({ marker: '"quoted" canary' })).toHaveLength(1);
    expect(await control.requests({ after: all[0]?.seq ?? 0 })).toHaveLength(1);
    expect(await control.requests({ limit: 1 })).toHaveLength(1);
    await control.reset();
    expect(await control.requests()).toEqual([]);
  });
});
