/** One side of a comparison: a worker process, how one of its runs is prepared and timed, and what its rounds gave. */
import type { MeasuredChild } from './measured-child.ts';

export type Side = {
  readonly name: string;
  readonly child: MeasuredChild;
  /** What a run needs beforehand (an accepted run's rows); gives how to start it and await its end. Not measured. */
  readonly prepare: () => Promise<() => Promise<unknown>>;
};

export type Round = { readonly ms: readonly number[]; readonly cpuMsPerRun: number };

/** Prepares all runs first, then runs them one at a time. `between` is called right before and right after them. */
export async function measureRound(
  side: Side,
  runs: number,
  between: { before?: () => Promise<void>; after?: () => Promise<void> } = {},
): Promise<Round> {
  const prepared: (() => Promise<unknown>)[] = [];
  for (let i = 0; i < runs; i += 1) prepared.push(await side.prepare());
  await between.before?.();
  const cpuBefore = await side.child.cpuMs();
  const ms: number[] = [];
  for (const run of prepared) {
    const from = performance.now();
    await run();
    ms.push(performance.now() - from);
  }
  const cpuMsPerRun = ((await side.child.cpuMs()) - cpuBefore) / runs;
  await between.after?.();
  return { ms, cpuMsPerRun };
}
