/** How the tests run: real parts, started once and only when a test asks for them (test/setup/global.ts). */
import { defineConfig } from 'vitest/config';
import { CountsReporter } from './test/setup/counts-reporter.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    pool: 'forks', // Temporal's native worker and PostgreSQL pools want a process of their own
    maxWorkers: 2, // on 2 cores more files at once only make every deadline in them tighter
    globalSetup: ['test/setup/global.ts'],
    // A file's first hook may start PostgreSQL, Temporal and the bundle; a test drives real workflows on a shared machine.
    hookTimeout: 180_000,
    // Above what a test's own waits (test/setup/until.ts) take together on a machine three times slower: what does not come is
    // then named by the wait for it, and not by this.
    testTimeout: 180_000,
    // As test/setup/until.ts: vitest's own second is shorter than one step on a busy machine.
    expect: { poll: { timeout: 60_000, interval: 50 } },
    teardownTimeout: 20_000,
    // Where nobody can look and try again, on a machine that does other things too. The report names whoever needed it.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    reporters: [['default', { summary: false }], new CountsReporter()],
  },
});
