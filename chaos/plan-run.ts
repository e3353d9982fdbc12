/** One run's plan: which tools it calls in which turns, as a script for the model sandbox. Pure. */
import { type ToolUse, type User, READS, WRITES, tokenOf } from './cast.ts';
import type { Random } from './random.ts';

export type PlannedRun = {
  readonly body: Readonly<Record<string, unknown>>;
  /** When its client cancels it, milliseconds after its start; null: never. */
  readonly cancelAfterMs: number | null;
  readonly respondAsync: boolean;
};

const READ_SHARE = 0.2;
const CANCEL_SHARE = 0.05;
const ASYNC_SHARE = 0.5;
const MAX_CALLS = 5;
const MAX_TURNS = 3;

export function planRun(random: Random, user: User, run: { number: number; key: string }): PlannedRun {
  const callCount = random.int(1, MAX_CALLS);
  const turns: ToolUse[][] = Array.from({ length: random.int(1, Math.min(MAX_TURNS, callCount)) }, () => []);
  for (let call = 0; call < callCount; call += 1) {
    const use = random.pick(random.chance(READ_SHARE) ? READS : WRITES);
    // Every turn gets one, the others fall where they may.
    const turn = call < turns.length ? call : random.int(0, turns.length - 1);
    turns[turn]?.push(use);
  }
  let call = 0;
  const answers = turns.map((uses) => ({
    toolCalls: uses.map((use) => {
      call += 1;
      const words = `${user.canary} ${tokenOf(user.index, run.number, call)}`;
      return { name: use.slug, arguments: use.arguments(words) };
    }),
  }));
  const script = JSON.stringify([...answers, { content: `Done for ${user.canary}.` }]);
  return {
    body: {
      userId: user.id,
      task: `Do the work of ${user.canary}.\n\`\`\`script\n${script}\n\`\`\``,
      tools: [...new Set(turns.flat().map((use) => use.slug))],
      metadata: { key: run.key },
    },
    cancelAfterMs: random.chance(CANCEL_SHARE) ? random.int(0, 3_000) : null,
    respondAsync: random.chance(ASYNC_SHARE),
  };
}
