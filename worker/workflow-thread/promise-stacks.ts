/**
 * Where each promise of a workflow was made, for "Call Stack" in Temporal's UI: the answer to the query `__stack_trace`. The SDK keeps
 * these notes in a store of each workflow, and finds the place of each frame in the source when the promise is made. Here the frames
 * are only captured, and the places are found when somebody asks, which of thousands of promises happens to none.
 */
// By default import, for Node itself sees no named ones in them.
import common from '@temporalio/common';
import vmShared from '@temporalio/worker/lib/workflow/vm-shared.js';

/** Of one frame, as the SDK's `Error.prepareStackTrace` leaves it. */
type Frame = { readonly file_path?: string | undefined; readonly function_name?: string | undefined };
/** What the SDK's workflow runtime reads from its store. */
type Stack = { readonly formatted: string; readonly structured: readonly Frame[] };
type Store = {
  readonly promiseToStack: Map<Promise<unknown>, Stack>;
  readonly childToParent: Map<Promise<unknown>, ReadonlySet<Promise<unknown>>>;
};
/** What a promise's own world holds. Workflows have one of their own, in which each finds its own globals. */
type Realm = { readonly store: () => Store | undefined; readonly ErrorClass: ErrorConstructor };
type Hooks = {
  readonly init: (promise: Promise<unknown>, parent: Promise<unknown> | undefined) => void;
  readonly settled: (promise: Promise<unknown>) => void;
};

const NO_PARENT: ReadonlySet<Promise<unknown>> = new Set();
/** A promise that `Promise.all` and its like make for one of their own: not what anybody waits for. */
const OF_AN_AGGREGATE =
  /^\s+at Promise\.then \(<anonymous>\)\n\s+at (?:Function|Promise)\.(?:race|all|allSettled|any) \(<anonymous>\)/;

/** For `v8.promiseHooks.createHook`; they see each promise of the thread, and note those of workflows. */
export function promiseStackHooks(): Hooks {
  const realms = new WeakMap<object, Realm>();
  const realmOf = (promise: Promise<unknown>): Realm => {
    const create = promise.constructor.constructor as FunctionConstructor;
    const known = realms.get(create);
    if (known) return known;
    const realm: Realm = {
      store: create('return globalThis.__TEMPORAL_ACTIVATOR__?.promiseStackStore') as Realm['store'],
      ErrorClass: (create('return globalThis.Error') as () => ErrorConstructor)(),
    };
    realms.set(create, realm);
    return realm;
  };
  const init: Hooks['init'] = (promise, parent) => {
    const { store: storeOf, ErrorClass } = realmOf(promise);
    const store = storeOf();
    if (!store || promise === parent) return;
    store.promiseToStack.set(promise, new CapturedStack(ErrorClass, init));
    store.childToParent.set(promise, parent ? new Set([parent]) : NO_PARENT);
  };
  return {
    init,
    settled(promise) {
      const store = realmOf(promise).store();
      store?.childToParent.delete(promise);
      store?.promiseToStack.delete(promise);
    },
  };
}

class CapturedStack implements Stack {
  readonly #holder: { readonly stack?: string };
  #read: Stack | null = null;

  /** @param above the function above which nothing is captured. */
  constructor(ErrorClass: ErrorConstructor, above: (...args: never) => unknown) {
    // Of the workflow's own class: by that the SDK tells what to look up in the workflow's source.
    this.#holder = Object.create(ErrorClass.prototype) as object;
    ErrorClass.captureStackTrace(this.#holder, above);
  }

  get formatted(): string {
    return this.#look().formatted;
  }

  get structured(): readonly Frame[] {
    return this.#look().structured;
  }

  #look(): Stack {
    this.#read ??= readStack(this.#holder);
    return this.#read;
  }
}

/** The frames of the workflow, without the SDK's. */
function readStack(holder: { readonly stack?: string }): Stack {
  vmShared.globalHandlers.currentStackTrace = undefined;
  const [, ...lines] = (holder.stack ?? '').split('\n');
  // Left there by the SDK's `Error.prepareStackTrace`, which the line before called.
  const frames: readonly Frame[] = vmShared.globalHandlers.currentStackTrace ?? [];
  const formatted = common.cutoffStackTrace(lines.join('\n'));
  if (OF_AN_AGGREGATE.test(formatted)) return { formatted: '', structured: [] };
  const kept = new Set(formatted.split('\n'));
  return { formatted, structured: frames.filter((_, i) => kept.has(lines[i] ?? '')) };
}
