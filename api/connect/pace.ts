/**
 * How many callbacks may be begun: as many as there is room for among the runs that were told to go on and have not yet. What is begun
 * sooner than Temporal takes it waits there instead, where each task that waits for seconds is given out twice. Nobody is held up for
 * long: a flow that has not woken its run within seconds does not count any more.
 */

/** Between two looks while there is no room. */
const LOOK_MS = 150;
/** As many as the organisation's limit lets read back in a second go on at a time, but never fewer than keep a worker busy. */
const LEAST = 32;
/** Nothing was begun, and no look was made, for so long: then there is no crowd, and what was counted says nothing any more. */
const CALM_MS = 1_000;

export type Pace = {
  /** Whether one more may be begun. */
  hasRoom(): boolean;
  /** One was begun. */
  took(): void;
};

/** @param perMinute the organisation's limit of Composio requests. `onRoom` is called when there is room again. */
export function createPace({
  perMinute,
  countUnheard,
  working,
  onRoom,
}: {
  readonly perMinute: number;
  /** Runs that were told a moment ago to go on and have not gone on. */
  readonly countUnheard: () => Promise<number>;
  readonly working: () => number;
  readonly onRoom: () => void;
}): Pace {
  const most = Math.max(LEAST, Math.ceil(perMinute / 60));
  let room = most;
  let latest = 0;
  let isLooking = false;

  const look = async (): Promise<void> => {
    // Where the database cannot say, it is not what holds anybody up.
    room = most - working() - (await countUnheard().catch(() => 0));
    if (room <= 0) {
      lookSoon();
      return;
    }
    isLooking = false;
    latest = performance.now();
    onRoom();
  };
  const lookSoon = (): void => {
    isLooking = true;
    setTimeout(() => void look(), LOOK_MS).unref();
  };

  return {
    hasRoom() {
      if (!isLooking && performance.now() - latest > CALM_MS) room = most;
      return room > 0;
    },
    took() {
      latest = performance.now();
      room -= 1;
      if (room <= 0 && !isLooking) lookSoon();
    },
  };
}
