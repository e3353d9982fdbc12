/** Appends lines of JSON to files of the log folder. A line is with the system when the call returns; a crash of ours loses none. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from './entry.ts';

export type JsonLines = { readonly write: (line: object) => void; readonly close: () => void };

export function openJsonLines(folder: string, name: string): JsonLines {
  const file = openSync(join(folder, name), 'a', 0o600);
  let isOpen = true;
  return {
    // Synchronous: a few dozen short lines a second, and their order is the order of what happened.
    write: (line) => {
      if (isOpen) writeSync(file, `${JSON.stringify(line)}\n`);
    },
    close: () => {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}

export type OperationLog = { readonly note: (event: Event) => void; readonly close: () => void };

export function openOperationLog(folder: string): OperationLog {
  const lines = openJsonLines(folder, 'operations.jsonl');
  return { note: (event) => lines.write({ at: Date.now(), ...event }), close: lines.close };
}
