/** The schedule of faults, and the runs: by the seed alone. */
import { expect, test } from 'vitest';
import { findToken, makeUsers, usersIn } from '../../chaos/cast.ts';
import { UsageError, parseOptions } from '../../chaos/options.ts';
import { planRun } from '../../chaos/plan-run.ts';
import { createRandom } from '../../chaos/random.ts';
import { planFaults } from '../../chaos/schedule.ts';

const HOUR = { lengthMs: 3_600_000, killEveryMs: 5_000, disturbEveryMs: 4_000 };

test('the same seed gives the same faults at the same times, another seed others', () => {
  expect(planFaults({ seed: 7, ...HOUR })).toEqual(planFaults({ seed: 7, ...HOUR }));
  expect(planFaults({ seed: 8, ...HOUR })).not.toEqual(planFaults({ seed: 7, ...HOUR }));
});

test('an hour has more than 600 kills, over all four parts, and every kind of disturbance', () => {
  const faults = planFaults({ seed: 1, ...HOUR }).map(({ fault }) => fault);
  const kills = faults.filter(({ kind }) => kind === 'kill');
  expect(kills.length).toBeGreaterThan(600);
  expect(new Set(kills.map((fault) => (fault.kind === 'kill' ? fault.part : '')))).toEqual(
    new Set(['worker', 'api', 'temporal', 'postgres']),
  );
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(
    new Set(['kill', 'blackout', 'freeze', 'deploy', 'link', 'composio', 'model', 'break']),
  );
  const hows = faults.map((fault) => (fault.kind === 'link' ? fault.fault.how : null));
  expect(new Set(hows.filter((how) => how !== null)).size).toBe(7);
});

test('the times rise, and lie within the run', () => {
  const times = planFaults({ seed: 3, ...HOUR }).map(({ atMs }) => atMs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times.at(-1)).toBeLessThan(HOUR.lengthMs);
});

test('all workers die at once three times, evenly over a run of any length, unless workers are not to be killed', () => {
  const times = (change: object) =>
    planFaults({ seed: 1, ...HOUR, ...change })
      .filter(({ fault }) => fault.kind === 'blackout')
      .map(({ atMs }) => atMs);
  expect(times({ lengthMs: 60_000 })).toEqual([15_000, 30_000, 45_000]);
  expect(times({})).toHaveLength(3);
  expect(times({ kills: ['api'] })).toEqual([]);
  expect(times({ killEveryMs: 0 })).toEqual([]);
});

test('every planned call carries its user’s canary and a token that no other call has', () => {
  const random = createRandom(1, 'lane-0');
  const seen = new Set<string>();
  for (let number = 1; number <= 200; number += 1) {
    const user = random.pick(makeUsers(20));
    const { body } = planRun(random, user, { number, key: `key-${number}` });
    const script = /```script\n(.*)\n```/.exec(String(body['task']))?.[1] ?? '';
    const turns = JSON.parse(script) as { toolCalls?: { name: string; arguments: object }[] }[];
    const calls = turns.flatMap(({ toolCalls }) => toolCalls ?? []);
    expect(calls.length).toBeGreaterThan(0);
    for (const { name, arguments: args } of calls) {
      const text = JSON.stringify(args);
      expect(usersIn(text)).toEqual([user.id]);
      expect(findToken(text)?.user).toBe(user.id);
      expect(body['tools']).toContain(name);
      seen.add(findToken(text)?.token ?? '');
    }
    seen.delete('');
  }
  expect(seen.size).toBeGreaterThan(400);
});

test('options: what is not known or no number is refused, what is not named has a default', () => {
  expect(parseOptions(['--seed', '5', '--minutes', '60'], 1)).toMatchObject({
    seed: 5,
    minutes: 60,
    workers: 2,
  });
  expect(parseOptions([], 42)).toMatchObject({ seed: 42, minutes: 2 });
  expect(() => parseOptions(['--speed', '5'], 1)).toThrow(UsageError);
  expect(() => parseOptions(['--minutes', 'long'], 1)).toThrow(UsageError);
  expect(() => parseOptions(['--minutes'], 1)).toThrow(UsageError);
});

test('only the parts that are named are killed, and as many kills are aimed as was asked for', () => {
  const kills = (change: object) =>
    planFaults({ seed: 1, ...HOUR, ...change })
      .map(({ fault }) => fault)
      .filter((fault) => fault.kind === 'kill');
  expect(new Set(kills({ kills: ['api', 'worker'] }).map(({ part }) => part))).toEqual(
    new Set(['api', 'worker']),
  );
  expect(kills({ aim: 1 }).every(({ isAimed }) => isAimed)).toBe(true);
  expect(kills({ aim: 0 }).some(({ isAimed }) => isAimed)).toBe(false);
  expect(parseOptions(['--kills', 'api,worker'], 1).kills).toEqual(['api', 'worker']);
  expect(() => parseOptions(['--kills', 'everything'], 1)).toThrow(UsageError);
});
