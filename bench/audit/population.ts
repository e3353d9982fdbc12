/** The users of the audit's bench and which of them have an app that does not work: made from a number, so that nobody keeps them. */

const PREFIX = '00000000-0000-4000-8000-';
const DIGITS = 12;
/** 2 %. */
const BROKEN_EVERY = 50;
/** Knuth's multiplier: spreads the broken ones over the pages instead of two on each. */
const SPREAD = 0x9e3779b1;

/** 36 characters, in the order of the numbers. */
export function userIdOf(index: number): string {
  return PREFIX + String(index).padStart(DIGITS, '0');
}

/** As SQL, with `n` for the number. */
export const USER_ID_SQL = `'${PREFIX}' || lpad(n::text, ${DIGITS}, '0')`;

/** NaN for anybody else's id. */
export function indexOf(userId: string): number {
  return userId.startsWith(PREFIX) ? Number(userId.slice(PREFIX.length)) : Number.NaN;
}

export function isBroken(index: number): boolean {
  return (Math.imul(index, SPREAD) >>> 0) % BROKEN_EVERY === 0;
}

export function brokenAmong(users: number): readonly number[] {
  const broken: number[] = [];
  for (let index = 0; index < users; index += 1) if (isBroken(index)) broken.push(index);
  return broken;
}
