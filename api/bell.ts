/** A bell that one waits for: rung while nobody waits, it is heard by the next who does. */
export type Bell = {
  readonly ring: () => void;
  /** Forgets that it was rung. */
  readonly clear: () => void;
  /** @returns false when it was not rung within `ms`. */
  readonly wait: (ms: number) => Promise<boolean>;
};

export function createBell(): Bell {
  let isRung = false;
  let wake: (() => void) | null = null;
  return {
    ring: () => {
      isRung = true;
      wake?.();
    },
    clear: () => {
      isRung = false;
    },
    wait: async (ms) => {
      if (isRung) return true;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      wake = resolve;
      await promise;
      clearTimeout(timer);
      wake = null;
      return isRung;
    },
  };
}
