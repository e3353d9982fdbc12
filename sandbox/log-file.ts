/**
 * The log files of what `npm start` runs: their end, for the one message that a person reads when a part dies, and a
 * bound on their size. It writes no lines.
 */
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';

/** Enough to hold the last lines of any part; a log may be large. */
const TAIL_BYTES = 16_384;

/** The last `lines` non-empty lines of a file from byte `from` on; empty when there is none. */
export function readTail(file: string, lines: number, from = 0): string[] {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(fd);
    const start = Math.max(from, size - TAIL_BYTES, 0);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    readSync(fd, buffer, 0, buffer.length, start);
    return buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-lines);
  } finally {
    closeSync(fd);
  }
}

/** Past this a log is set aside at the next start; with the one before it, a data directory keeps at most twice as much and a run. */
const MAX_LOG_BYTES = 20 * 1024 * 1024;

/** Moves a grown log to `<file>.old`, and tells where the next line of `file` will begin. */
export function rotateLog(file: string): number {
  const size = sizeOf(file);
  if (size <= MAX_LOG_BYTES) return size;
  renameSync(file, `${file}.old`);
  return 0;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
