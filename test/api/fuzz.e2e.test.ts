/**
 * Half a minute of `npm run fuzz`, where Schemathesis is installed already (`npm run fuzz` installs it). A machine without
 * it, such as CI's, says so and goes on: nothing is downloaded here.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareUsers } from '../../scripts/fuzz/prepare-users.ts';
import { SCHEMATHESIS_VERSION, findSchemathesis, runSchemathesis } from '../../scripts/fuzz/schemathesis.ts';
import type { TestApi } from './setup/api.ts';
import { KEY, startTestApi } from './setup/api.ts';
import { expectUnharmed } from './setup/operations.ts';

const command = findSchemathesis(process.env);
if (command === null)
  console.warn(`Skipped: Schemathesis ${SCHEMATHESIS_VERSION} is not installed; npm run fuzz installs it.`);
const MAX_TIME_S = 30;

describe.skipIf(command === null)('the API under Schemathesis', () => {
  let api: TestApi;
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-fuzz-'));
  beforeAll(async () => {
    api = await startTestApi();
    await prepareUsers({ url: api.url, key: KEY, composioUrl: api.bellhop.sandboxUrl });
  });
  afterAll(async () => {
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers nothing with 5xx and nothing that its document does not say, with a fixed seed, for half a minute', async () => {
    let output = '';
    const exit = await runSchemathesis(command ?? '', {
      url: api.url,
      key: KEY,
      folder,
      maxExamples: 3,
      maxTimeS: MAX_TIME_S,
      seed: 20_261_121,
      more: [],
      onOutput: (text) => (output += text),
    });
    expect(exit, output.slice(-8_000)).toBe(0);
    // How many depends on the machine; that there were some does not.
    expect(Number(/(\d+) generated/.exec(output)?.[1])).toBeGreaterThan(10);
    await expectUnharmed(api);
  }, 300_000);
});
