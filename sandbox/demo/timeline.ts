/** Prints the story: who does what, and how long after the start. Colours only where a person looks. */
import { styleText } from 'node:util';

type Actor = 'backend' | 'Bellhop' | 'Alice' | 'Bob' | 'model' | 'check';
const COLOURS = {
  backend: 'cyan',
  Bellhop: 'magenta',
  Alice: 'green',
  Bob: 'yellow',
  model: 'blue',
  check: 'gray',
} as const;

export type Timeline = {
  readonly chapter: (title: string) => void;
  readonly tell: (actor: Actor, line: string) => void;
  /** A claim of the story, held now. @throws DemoError when it does not hold. */
  readonly check: (holds: boolean, claim: string, found?: unknown) => void;
  readonly checks: () => number;
};

export class DemoError extends Error {
  override readonly name = 'DemoError';
}

export function createTimeline(write: (line: string) => void): Timeline {
  const startedAt = performance.now();
  let checks = 0;
  const colour = process.stdout.isTTY;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text) : text;
  const say = (actor: Actor, line: string): void => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5);
    write(`  ${paint('dim', `${seconds} s`)}  ${paint(COLOURS[actor], actor.padEnd(8))} ${line}`);
  };
  return {
    chapter: (title) => write(`\n${paint('bold', title)}`),
    tell: say,
    check: (holds, claim, found) => {
      if (!holds)
        throw new DemoError(
          `not as told: ${claim}${found === undefined ? '' : `; found ${JSON.stringify(found)}`}`,
        );
      checks += 1;
      say('check', `✓ ${claim}`);
    },
    checks: () => checks,
  };
}
