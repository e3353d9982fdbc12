/**
 * Loaded once in a worker's isolate, before any workflow begins, and shared by all of them: what the other files of this folder hold
 * is functions and constants. Otherwise each workflow that comes into the cache would load all of them for itself.
 */
import './index.ts';
import './interceptors.ts';

/**
 * Each promise that a workflow makes keeps the frames of where it was made, for the "Call Stack" of Temporal's UI. Four of them say where
 * a workflow stands; two more are above them where the SDK captures them itself (a replay).
 */
Error.stackTraceLimit = 6;
