/** How much memory a process has, as the kernel counts it (/proc, so Linux only). */
import { readFileSync } from 'node:fs';

/** Megabytes: resident now (`VmRSS`), or at its most so far (`VmHWM`). */
export function memoryMb(pid: number, field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? Number.NaN) / 1_024;
}
