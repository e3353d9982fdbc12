/** What a process is connected to and has started, as the kernel tells it (Linux). Judges without trusting the process. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

const ESTABLISHED = '01';
const SYN_SENT = '02';

/** `host:port` of every remote end of the process's TCP sockets now. */
export function remotesOf(pid: number): readonly string[] {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed between the two looks.
    }
  }
  const remotes = new Set<string>();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1)) {
      const [, , remote, state, , , , , , inode] = line.trim().split(/\s+/);
      if (remote === undefined || inode === undefined || !inodes.has(inode)) continue;
      if (state === ESTABLISHED || state === SYN_SENT) remotes.add(toText(remote));
    }
  }
  return [...remotes];
}

/** Direct children of the process, over all its threads. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .trim()
        .split(/\s+/)
        .filter(Boolean)
        .map(Number);
    } catch {
      return [];
    }
  });
}

/** The kernel writes addresses in hexadecimal, each 32-bit word in host order. */
function toText(hex: string): string {
  const [address = '', port = ''] = hex.split(':');
  const last = address.slice(-8);
  const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(last.slice(at, at + 2), 16));
  return `${bytes.join('.')}:${Number.parseInt(port, 16)}`;
}
