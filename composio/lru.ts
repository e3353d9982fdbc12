/** A bounded map whose entries also age: the oldest unused entry goes first, an expired one is never given. */
export type LruCache<V> = {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
};

export function createLru<V>({
  maxEntries,
  maxAgeMs = Number.POSITIVE_INFINITY,
  now = Date.now,
}: {
  maxEntries: number;
  maxAgeMs?: number;
  now?: () => number;
}): LruCache<V> {
  // A Map iterates in order of insertion, so re-inserting on use keeps the least recently used entry first.
  const entries = new Map<string, { readonly value: V; readonly expiresAt: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      entries.delete(key);
      if (entry.expiresAt <= now()) return undefined;
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value) {
      entries.delete(key);
      entries.set(key, { value, expiresAt: now() + maxAgeMs });
      if (entries.size <= maxEntries) return;
      const oldest = entries.keys().next();
      if (!oldest.done) entries.delete(oldest.value);
    },
  };
}
