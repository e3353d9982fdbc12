/** A reader of event streams on raw node:http: strict about what a stream may hold, and as slow as it is told to be. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type AnyBody, KEY } from './api.ts';

export type SeenEvent = { readonly id: number; readonly event: string; readonly data: AnyBody };
export type EventClient = {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly events: SeenEvent[];
  /** Heartbeats so far. */
  readonly comments: () => number;
  /** The last `retry` that was told. */
  readonly retryMs: () => number | null;
  /** Resolves when that many events have come. @throws when the stream ends before. */
  readonly got: (count: number) => Promise<void>;
  /** Resolves with `end` when the server ended the stream in order, with `cut` when the connection broke. */
  readonly over: Promise<'end' | 'cut'>;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly hangUp: () => void;
};

/** Resolves with the head of the answer. */
export function openEvents(
  url: string,
  runId: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventClient> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const req = request(
      {
        hostname,
        port,
        path: `/v1/runs/${runId}/events`,
        headers: { authorization: `Bearer ${KEY}`, accept: 'text/event-stream', ...headers },
        agent: false,
      },
      (res) => resolve(follow(req, res)),
    );
    req.on('error', reject);
    req.end();
  });
}

function follow(req: ClientRequest, res: IncomingMessage): EventClient {
  const events: SeenEvent[] = [];
  const waiting = new Set<() => void>();
  let comments = 0;
  let retryMs: number | null = null;
  let isOver = false;
  let rest = '';
  const wake = (): void => {
    for (const look of waiting) look();
  };
  res.setEncoding('utf8');
  res.on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      if (block.startsWith(':')) {
        comments += 1;
        continue;
      }
      const { retry, ...event } = parseBlock(block);
      if (retry !== null) retryMs = retry;
      events.push(event);
    }
    wake();
  });
  const over = new Promise<'end' | 'cut'>((resolve) => {
    const finish = (how: 'end' | 'cut') => () => {
      isOver = true;
      resolve(how);
      wake();
    };
    res.on('end', finish('end'));
    res.on('error', finish('cut'));
    res.on('close', finish('cut'));
  });
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    events,
    comments: () => comments,
    retryMs: () => retryMs,
    got: (count) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (events.length < count && !isOver) return;
          waiting.delete(look);
          if (events.length >= count) resolve();
          else reject(new Error(`the stream ended after ${events.length} events, not ${count}`));
        };
        waiting.add(look);
        look();
      }),
    over,
    pause: () => res.pause(),
    resume: () => res.resume(),
    hangUp: () => req.destroy(),
  };
}

/** @throws for anything but one id, one event, one line of data and at most one retry. */
function parseBlock(block: string): SeenEvent & { readonly retry: number | null } {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const match = /^(id|event|data|retry): (.+)$/.exec(line);
    if (!match?.[1] || fields.has(match[1])) throw new Error(`not a line of an event: ${line}`);
    fields.set(match[1], match[2] ?? '');
  }
  const [id, event, data] = ['id', 'event', 'data'].map((name) => fields.get(name));
  if (id === undefined || event === undefined || data === undefined) throw new Error(`incomplete: ${block}`);
  const retry = fields.get('retry');
  return { id: Number(id), event, data: JSON.parse(data), retry: retry === undefined ? null : Number(retry) };
}
