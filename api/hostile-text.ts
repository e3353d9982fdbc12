/**
 * Refuses, once and for every field, what PostgreSQL cannot store or what objects could be poisoned with: NUL characters
 * and lone surrogates in any string or key, the key `__proto__`, numbers beyond a double, and deep nesting.
 */
// Far above any real body; bounds the recursion below.
const MAX_DEPTH = 32;

/** The first fault in a parsed JSON tree, and where it is; null when there is none. */
export function findHostileText(
  value: unknown,
  at: string,
  depth = 0,
): { at: string; message: string } | null {
  if (typeof value === 'string') return faultOf(value, at);
  if (typeof value === 'number' && !Number.isFinite(value))
    return { at, message: 'is not a number that can be kept' };
  if (value === null || typeof value !== 'object') return null;
  if (depth >= MAX_DEPTH) return { at, message: `is nested more than ${MAX_DEPTH} levels deep` };
  for (const key of Object.keys(value)) {
    // A hostile key is not repeated: the answer must be well-formed itself.
    const fault =
      key === '__proto__'
        ? { at, message: 'has a key that is not allowed' }
        : faultOf(key, at, 'has a key with');
    if (fault) return fault;
    const inner = findHostileText((value as Record<string, unknown>)[key], `${at}/${key}`, depth + 1);
    if (inner) return inner;
  }
  return null;
}

function faultOf(text: string, at: string, verb = 'contains'): { at: string; message: string } | null {
  if (text.includes('\0')) return { at, message: `${verb} a NUL character` };
  if (!text.isWellFormed()) return { at, message: `${verb} a lone surrogate` };
  return null;
}
