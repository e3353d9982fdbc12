/**
 * What has to be undone when a run stops, in the order in which parts may be missed: a rank decides, not the moment of
 * the start, because independent parts start at the same time. It knows nothing about the parts.
 */
export type Release = { readonly rank: number; readonly run: () => Promise<void> | void };

export class Releases {
  readonly #pending: Release[] = [];
  #running: Promise<void> | undefined;

  /** When the stop has begun already, the part is released at once: nothing is left behind by a start that came late. */
  async add(rank: number, run: () => Promise<void> | void): Promise<void> {
    if (this.#running !== undefined) await run();
    else this.#pending.push({ rank, run });
  }

  /** Highest rank first, one after the other; a failed release does not keep the others from theirs. Runs once. */
  async releaseAll(): Promise<void> {
    this.#running ??= this.#releaseInOrder();
    await this.#running;
  }

  async #releaseInOrder(): Promise<void> {
    const errors: unknown[] = [];
    for (const { run } of this.#pending.toSorted((a, b) => b.rank - a.rank)) {
      try {
        await run();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'some parts did not stop in order');
  }
}
