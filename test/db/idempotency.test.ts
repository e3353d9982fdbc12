/** Idempotency keys: one run per key, whoever asks how often. */
import { describe, expect, test } from 'vitest';
import { claimIdempotencyKey, releaseIdempotencyKey, settleIdempotencyKey } from '../../db/idempotency.ts';
import { useDatabase } from './harness.ts';

const the = useDatabase();
let keys = 0;
const newClaim = (runId = 'run-1') => ({ owner: 'key-1', key: `k${(keys += 1)}`, bodyDigest: 'd', runId });
const claim = (c: ReturnType<typeof newClaim>) => the().system((tx) => claimIdempotencyKey(tx, c));
const age = (key: string, interval: string) =>
  the().raw(`update idempotency_keys set created_at = now() - $2::interval where key = $1`, [key, interval]);

describe('a key', () => {
  test('is taken by one of ten at once; the others hear that it is being accepted', async () => {
    const c = newClaim();
    const kinds = (
      await Promise.all(Array.from({ length: 10 }, (_, i) => claim({ ...c, runId: `run-${i}` })))
    ).map((a) => a.kind);
    expect(kinds.toSorted()).toEqual([...Array<string>(9).fill('accepting'), 'new']);
  });
  test('replays the run once it is settled, for 24 hours', async () => {
    const c = newClaim('run-7');
    await claim(c);
    await the().system((tx) => settleIdempotencyKey(tx, c));
    expect(await claim({ ...c, runId: 'run-8' })).toEqual({ kind: 'replay', runId: 'run-7' });
    await age(c.key, '23 hours 59 minutes');
    // Settled keys of runs that exist live on; this one's run was never written, so it is free after the acceptance's time.
    const userId = await the().newUser();
    await the().newRun(userId, { id: 'run-7' });
    const d = newClaim('run-7');
    await claim(d);
    await the().system((tx) => settleIdempotencyKey(tx, d));
    await age(d.key, '23 hours 59 minutes');
    expect(await claim(d)).toEqual({ kind: 'replay', runId: 'run-7' });
    await age(d.key, '24 hours 1 minute');
    expect(await claim({ ...d, runId: 'run-9' })).toEqual({ kind: 'new' });
  });
  test('with another body is a mismatch, accepted or not', async () => {
    const c = newClaim();
    await claim(c);
    expect((await claim({ ...c, bodyDigest: 'e' })).kind).toBe('mismatch');
    await the().system((tx) => settleIdempotencyKey(tx, c));
    expect((await claim({ ...c, bodyDigest: 'e' })).kind).toBe('mismatch');
  });
  test('of another API key is another key', async () => {
    const c = newClaim();
    await claim(c);
    expect((await claim({ ...c, owner: 'key-2' })).kind).toBe('new');
  });
  test('is free again when its holder released it, and only its holder can', async () => {
    const c = newClaim('run-a');
    await claim(c);
    await the().system((tx) => releaseIdempotencyKey(tx, { ...c, runId: 'run-b' }));
    expect((await claim(c)).kind).toBe('accepting');
    await the().system((tx) => releaseIdempotencyKey(tx, c));
    expect((await claim(c)).kind).toBe('new');
  });
  test('whose holder died before it wrote a run is free after 30 s; with the run written it replays', async () => {
    const dead = newClaim('never-written');
    await claim(dead);
    await age(dead.key, '29 seconds');
    expect((await claim(dead)).kind).toBe('accepting');
    await age(dead.key, '31 seconds');
    expect((await claim({ ...dead, runId: 'next' })).kind).toBe('new');
    const userId = await the().newUser();
    const run = await the().newRun(userId);
    const written = newClaim(run.id);
    await claim(written);
    await age(written.key, '31 seconds');
    expect(await claim({ ...written, runId: 'other' })).toEqual({ kind: 'replay', runId: run.id });
  });
});
