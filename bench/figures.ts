/** Figures of one run: percentiles, the machine they come from, and a table for people. */
import { availableParallelism, cpus, loadavg } from 'node:os';

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const round = (value: number, digits = 1): string => value.toFixed(digits);

/** Load is of the last minute, at the moment of the call: ask before the bench adds its own. */
export function machineFacts(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  return `${availableParallelism()} cores (${model}), Node ${process.versions.node}, load before ${round(loadavg()[0] ?? Number.NaN)}`;
}

export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows)
    console.log(
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`,
    );
}

/** Milliseconds of CPU that each part took per item, the costliest first. */
export function printCpu(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  items: number,
  what: string,
  digits = 1,
): void {
  const spent = Object.entries(after).map(
    ([name, ms]) => [name, (ms - (before[name] ?? 0)) / items] as const,
  );
  const sum = spent.reduce((total, [, ms]) => total + ms, 0);
  printTable([
    [`CPU, ms a ${what}`, round(sum, digits)],
    ...spent.toSorted(([, a], [, b]) => b - a).map(([name, ms]) => [name, round(ms, digits)]),
  ]);
}
