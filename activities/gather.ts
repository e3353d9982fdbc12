/**
 * Calls of one turn that run side by side report together: the workflow goes on only when all are done, and each report
 * of its own would cost a workflow task (three events of history, and most of the server's work for a call). What a call
 * did is in the ledger before it waits here, so a worker that dies meanwhile loses nothing.
 */
export type Gather = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Counts per key in this process only; another worker's calls are not waited for. */
export function createGather(): Gather {
  const groups = new Map<string, { active: number; held: (() => void)[] }>();
  return async (key, work) => {
    const group = groups.get(key) ?? { active: 0, held: [] };
    groups.set(key, group);
    group.active += 1;
    try {
      return await work();
    } finally {
      const isLast = group.held.length + 1 === group.active;
      if (isLast) {
        groups.delete(key);
        for (const release of group.held) release();
      } else {
        await new Promise<void>((resolve) => group.held.push(resolve));
      }
    }
  };
}
