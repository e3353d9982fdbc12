/**
 * The thread in which workflow code runs: the SDK's own, with one part of it exchanged beforehand. The stacks of promises are written
 * down in a cheaper way (promise-stacks.ts).
 */
import v8 from 'node:v8';
import { promiseStackHooks } from './promise-stacks.ts';

const { promiseHooks } = v8;
const createHook = promiseHooks.createHook.bind(promiseHooks);
// It is the SDK that calls this, once, with hooks of its own; nothing else in this thread knows it.
promiseHooks.createHook = () => createHook(promiseStackHooks());
await import('@temporalio/worker/lib/workflow/workflow-worker-thread.js');
