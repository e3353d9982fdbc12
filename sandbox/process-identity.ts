/**
 * Tells whether a pid still is the process it was when we noted it: pids are reused, and killing by a bare pid kills
 * strangers. Reads /proc where there is one, else asks `ps`. It sends no signals but signal 0.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';

const HAS_PROC = existsSync('/proc/self/stat');

/** A token that is equal only for the same process: its boot and start time. Null: no such live process. */
export function identifyProcess(pid: number): string | null {
  if (!Number.isInteger(pid) || pid <= 1) return null;
  return HAS_PROC ? identifyByProc(pid) : askPs(pid, 'lstart=,comm=');
}

/** The directory a process works in, where the system tells (Linux); null where it does not. */
export function workingDirectoryOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

/** The program name and arguments of a live process as one string, or null. */
export function commandLineOf(pid: number): string | null {
  if (!HAS_PROC) return askPs(pid, 'command=');
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return null;
  }
}

function identifyByProc(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const close = stat.lastIndexOf(')'); // a program name may itself contain brackets and spaces
    const fields = stat.slice(close + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null; // dead, merely not yet reaped
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // Without the program's name: Node gives its main thread another one a moment after it has started.
    return `${boot} ${fields[19] ?? ''}`;
  } catch {
    return null;
  }
}

function askPs(pid: number, columns: string): string | null {
  try {
    const args = columns.split(',').flatMap((column) => ['-o', column]);
    const text = execFileSync('ps', ['-p', String(pid), ...args], { encoding: 'utf8' }).trim();
    return text === '' ? null : text;
  } catch {
    return null;
  }
}
