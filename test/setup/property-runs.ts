/** How many cases a property gets: few in `npm test`, more by FAST_CHECK_RUNS (a factor, such as 100). */
export function runs(usual: number): { numRuns: number } {
  return { numRuns: Math.round(usual * Number(process.env['FAST_CHECK_RUNS'] ?? 1)) };
}
