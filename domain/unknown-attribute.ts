/** A namespace that lacks our search attributes refuses a start that has them. Recognised here, by the shape of gRPC's errors. */

/** gRPC's code. */
const INVALID_ARGUMENT = 3;

/** The server names it in one error of the chain, the code may be another's. */
export function isUnknownAttribute(error: unknown): boolean {
  let isInvalid = false;
  let isNamed = false;
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    const { code, details } = e as { code?: unknown; details?: unknown };
    isInvalid ||= code === INVALID_ARGUMENT;
    isNamed ||= /search attribute/i.test(`${e.message} ${typeof details === 'string' ? details : ''}`);
  }
  return isInvalid && isNamed;
}

/**
 * Starts with the attributes, and once more without them where the namespace lacks them. `lacking` remembers that of a
 * client: the worker says at its start which command adds them; until then workflows go without.
 */
export async function startWithAttributes<A, T>(
  client: object,
  lacking: WeakSet<object>,
  attributes: readonly A[],
  start: (attributes: A[]) => Promise<T>,
): Promise<T> {
  if (lacking.has(client)) return start([]);
  try {
    return await start([...attributes]);
  } catch (error) {
    if (!isUnknownAttribute(error)) throw error;
    lacking.add(client);
    return start([]);
  }
}
