/**
 * Preloaded into a real worker process (`--import`): it dies, or freezes, at an exact point of its work. Sits at the seams of
 * the libraries (pg, fetch, the Temporal worker), so that the product's code knows nothing of it.
 * FAILPOINT is `<point>[#<nth time>]=<kill|stop>`; a second process without it goes on.
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import pg from 'pg';

export const FAILPOINTS = [
  /** The ledger's claim is not written yet. */
  'claim:before',
  /** The claim is committed, nothing has left. */
  'claim:after',
  /** The whole request is on the wire. */
  'send:after',
  /** The whole answer is here, nobody has looked at it. */
  'response:after',
  /** The outcome is committed. */
  'ledger:after',
  /** The activity has returned, Temporal does not know. */
  'completion:before',
  /** The model has answered, nothing is written. */
  'model:after',
  /** The turn is committed. */
  'turn:after',
  /** The gate is committed. */
  'begin:after',
] as const;
export type Failpoint = (typeof FAILPOINTS)[number];
export type FailpointAction = 'kill' | 'stop';

type Query = (this: pg.Client, ...args: unknown[]) => unknown;
type RequestMessage = { readonly request: { readonly path: string } };

const SIGNALS = { kill: 'SIGKILL', stop: 'SIGSTOP' } as const;
const EXECUTE = /\/tools\/execute\//;
const COMPLETIONS = /\/chat\/completions$/;
/** Which statement opens which point at the next commit of the same connection. */
const STATEMENTS: readonly (readonly [RegExp, Failpoint])[] = [
  [/'tool\.started'/, 'claim:after'],
  [/'tool\.completed'/, 'ledger:after'],
  [/model_calls = model_calls \+ 1/, 'turn:after'],
  [/'run\.started'/, 'begin:after'],
];

function install(wanted: string): void {
  const [, point, nth = '1', action] = /^([a-z:]+)(?:#(\d+))?=(kill|stop)$/.exec(wanted) ?? [];
  if (!FAILPOINTS.some((known) => known === point)) throw new RangeError(`FAILPOINT=${wanted}`);
  let left = Number(nth);
  const reach = (reached: Failpoint): void => {
    if (reached !== point) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, SIGNALS[action as FailpointAction]);
  };
  watchDatabase(reach);
  watchRequests(reach);
  watchActivities(reach);
}

function watchDatabase(reach: (point: Failpoint) => void): void {
  // The driver's own entry, which all of its users go through.
  // oxlint-disable-next-line typescript/unbound-method
  const original = pg.Client.prototype.query as unknown as Query;
  const open = new WeakMap<pg.Client, Failpoint>();
  const watched: Query = function (...args) {
    const [first] = args;
    const text = typeof first === 'string' ? first : ((first as { text?: string } | null)?.text ?? '');
    const found = STATEMENTS.find(([pattern]) => pattern.test(text))?.[1];
    if (found === 'claim:after') reach('claim:before');
    // A transaction of one statement is one query object, which is heard when all of it is committed.
    if (found !== undefined && first instanceof pg.Query) {
      hearCommit(first as unknown as Heard, () => reach(found));
      return original.apply(this, args);
    }
    if (found !== undefined) open.set(this, found);
    const point = open.get(this);
    if (text !== 'commit' || point === undefined) return original.apply(this, args);
    open.delete(this);
    const callback = args.at(-1);
    if (typeof callback === 'function') {
      const told = (error: unknown, ...rest: unknown[]): unknown => {
        if (error === null || error === undefined) reach(point);
        return (callback as (...all: unknown[]) => unknown)(error, ...rest);
      };
      return original.apply(this, [...args.slice(0, -1), told]);
    }
    return (original.apply(this, args) as Promise<unknown>).then((result) => {
      reach(point);
      return result;
    });
  };
  pg.Client.prototype.query = watched as unknown as typeof pg.Client.prototype.query;
}

type Heard = { callback: (error: unknown, ...rest: unknown[]) => void };

function hearCommit(query: Heard, onCommit: () => void): void {
  const { callback } = query;
  query.callback = (error, ...rest) => {
    if (error === null) onCommit();
    callback(error, ...rest);
  };
}

function watchRequests(reach: (point: Failpoint) => void): void {
  const on = (name: string, hear: (path: string) => void): void => {
    const source: Channel = channel(name);
    source.subscribe((message) => hear((message as RequestMessage).request.path));
  };
  on('undici:request:bodySent', (path) => {
    if (EXECUTE.test(path)) reach('send:after');
  });
  on('undici:request:trailers', (path) => {
    if (EXECUTE.test(path)) reach('response:after');
    if (COMPLETIONS.test(path)) reach('model:after');
  });
}

function watchActivities(reach: (point: Failpoint) => void): void {
  const create = Reflect.get(Worker, 'create') as typeof Worker.create;
  // Of whichever class is asked: ours is one of its own (worker/bellhop-worker.ts).
  Worker.create = function (this: typeof Worker, options: WorkerOptions) {
    const activities = options.activities as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const { executeTool } = activities;
    if (!executeTool) return create.call(this, options); // a worker for other work
    const watched = async (...args: unknown[]): Promise<unknown> => {
      const outcome = await executeTool(...args);
      reach('completion:before');
      return outcome;
    };
    return create.call(this, { ...options, activities: { ...activities, executeTool: watched } });
  };
}

const wanted = process.env['FAILPOINT'];
if (wanted !== undefined) install(wanted);
