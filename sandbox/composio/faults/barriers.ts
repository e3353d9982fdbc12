/** Named gates that requests wait at until a test lets them go: the way to stop the world at an exact point. */

type Barrier = { open: boolean; readonly waiting: Set<() => void>; arrived: number };

export class Barriers {
  readonly #byName = new Map<string, Barrier>();

  /** Waits at a closed gate; at once through an open one. Ends early when `signal` aborts. */
  async wait(name: string, signal: AbortSignal): Promise<void> {
    const barrier = this.#get(name);
    barrier.arrived += 1;
    if (barrier.open || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        barrier.waiting.delete(go);
        signal.removeEventListener('abort', go);
        resolve();
      };
      barrier.waiting.add(go);
      signal.addEventListener('abort', go, { once: true });
    });
  }

  /** Lets all that wait go, and all that come later too, until `close`. Answers how many were waiting. */
  release(name: string): number {
    const barrier = this.#get(name);
    const waiting = [...barrier.waiting];
    barrier.open = true;
    for (const go of waiting) go();
    return waiting.length;
  }

  close(name: string): void {
    this.#get(name).open = false;
  }

  state(): Readonly<Record<string, { open: boolean; waiting: number; arrived: number }>> {
    return Object.fromEntries(
      [...this.#byName].map(([name, b]) => [
        name,
        { open: b.open, waiting: b.waiting.size, arrived: b.arrived },
      ]),
    );
  }

  #get(name: string): Barrier {
    let barrier = this.#byName.get(name);
    if (!barrier) {
      barrier = { open: false, waiting: new Set(), arrived: 0 };
      this.#byName.set(name, barrier);
    }
    return barrier;
  }
}
