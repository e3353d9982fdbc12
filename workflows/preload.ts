/**
 * Loaded once in a worker's isolate, before any workflow begins, and shared by all of them: what the other files of this folder hold
 * is functions and constants. Otherwise each workflow that comes into the cache would load all of them for itself.
 */
import './index.ts';
import './interceptors.ts';

/**
 * The SDK notes the stack of each promise that a workflow makes, for the "Call Stack" of Temporal's UI, and finds the place of each
 * frame in the source. Of V8's ten two are the SDK's own hook; four more say where a workflow stands.
 */
Error.stackTraceLimit = 6;
