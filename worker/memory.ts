/** How far this process lets its heap grow between two collections of it. It sets V8's limits and knows nothing of the work. */
import { setFlagsFromString } from 'node:v8';

/**
 * Percent of what lived after the last collection. Left alone, V8 lets the heap double or more: an audit of a million users,
 * whose pages live just long enough to leave the young generation, took 451 MB of which 90 were in use. At this value 264 MB,
 * for the same CPU (`npm run bench -- audit`). The young generation's size cannot be set any more when code runs; it is set
 * where the process is started (`--max-semi-space-size`).
 */
const HEAP_GROWING_PERCENT = 25;

export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
