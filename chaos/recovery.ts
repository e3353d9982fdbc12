/** How long nothing moved after a kill: from the kill, or from a server's return, to the next activity or effect of any run. */
import type { Record } from './record.ts';

export type Recovery = {
  readonly part: string;
  readonly from: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

export function measureRecovery(record: Record): readonly Recovery[] {
  const moved = [
    ...record.progress.map(({ at }) => at),
    ...record.effects.map(({ at }) => Date.parse(at)),
  ].sort((a, b) => a - b);
  const nextAfter = (at: number): number | null => {
    let low = 0;
    let high = moved.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((moved[middle] ?? Infinity) <= at) low = middle + 1;
      else high = middle;
    }
    return moved[low] ?? null;
  };
  const gaps = (starts: readonly number[]): number[] =>
    starts.flatMap((at) => {
      const next = nextAfter(at);
      return next === null ? [] : [next - at];
    });
  const kills = (name: string): number[] =>
    record.entries
      .filter((entry) => entry.is === 'fault')
      .filter(({ phase, fault }) => phase === 'begin' && fault.kind === 'kill' && fault.part === name)
      .map(({ at }) => at);
  const returns = (part: string): number[] =>
    record.entries
      .filter((entry) => entry.is === 'process')
      .filter((entry) => entry.part === part && entry.what === 'ready')
      .slice(1) // the first start is no return
      .map(({ at }) => at);
  return [
    summarise('worker', 'kill', gaps(kills('worker'))),
    summarise('api', 'kill', gaps(kills('api'))),
    summarise('postgres', 'kill', gaps(kills('postgres'))),
    summarise('postgres', 'return', gaps(returns('postgres'))),
    summarise('temporal', 'kill', gaps(kills('temporal'))),
    summarise('temporal', 'return', gaps(returns('temporal'))),
  ].filter(({ count }) => count > 0);
}

function summarise(part: string, from: string, gaps: readonly number[]): Recovery {
  const sorted = [...gaps].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
  return { part, from, count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
