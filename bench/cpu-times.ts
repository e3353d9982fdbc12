/** How much CPU each part has taken so far, from the kernel's own accounts (/proc, so Linux only): a bench takes the difference. */
import { readFileSync, readdirSync } from 'node:fs';

/** One tick of /proc: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_MS = 10;

/** CPU milliseconds of a process, user and system, and of its children where it is a server of many processes. */
export function cpuMsOf(pid: number, withChildren = false): number {
  const own = statOf(pid);
  if (own === null) return Number.NaN;
  // Of children that have ended the parent keeps the sum.
  let ticks = own.ticks + (withChildren ? own.endedChildrenTicks : 0);
  if (withChildren) {
    for (const name of readdirSync('/proc')) {
      const child = /^\d+$/.test(name) ? statOf(Number(name)) : null;
      if (child?.parent === pid) ticks += child.ticks;
    }
  }
  return ticks * TICK_MS;
}

/** @returns what a process did, or null when it has ended. */
function statOf(pid: number): { parent: number; ticks: number; endedChildrenTicks: number } | null {
  try {
    // After the name, which may hold anything in its brackets: state, parent, …, utime (12th), stime, cutime, cstime.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
    return { parent: fields[1] ?? 0, ticks: utime + stime, endedChildrenTicks: cutime + cstime };
  } catch {
    return null;
  }
}
