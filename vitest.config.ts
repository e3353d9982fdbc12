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
    hookTimeout: 120_000,
    testTimeout: 60_000,
    teardownTimeout: 20_000,
    // Where nobody can look and try again, on a machine that does other things too. The report names whoever needed it.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    reporters: [['default', { summary: false }], new CountsReporter()],
  },
});
