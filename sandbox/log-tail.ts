/** The end of a log file, for the one message that a person reads when a part dies. Reads; never writes. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

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
