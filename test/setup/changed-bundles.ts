/** Workflow code of another version: the bundle of the tests, changed before and after the place where a run waits for OAuth. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { testWorkflowBundle } from './temporal.ts';

/** Where the change goes: before the gate and after it, so that a waiting run has passed the one and not the other. */
const GATE = 'const begun = await passGate();';
const PATCHED = /(\(0,([\w$]+)\.patched\))\('deadline-before-tools'\)/;

export type ChangedBundles = {
  readonly old: string;
  /** Behind `patched`. */
  readonly changed: string;
  /** A further timer that no run from before has. */
  readonly broken: string;
};

/** Paths of bundles. @throws when the workflow's code is no longer what the changes fit. */
export async function makeChangedBundles(): Promise<ChangedBundles> {
  const old = await testWorkflowBundle();
  const code = readFileSync(old, 'utf8');
  const [, patched = '', sdk = ''] = PATCHED.exec(code) ?? [];
  if (code.split(GATE).length !== 2 || sdk === '') throw new Error('the gate or a patch is not where it was');
  const wait = `await (0,${sdk}.sleep)(1);`;
  const folder = await makeTemporaryFolder('deploy');
  const write = (name: string, gate: string): string => {
    const path = join(folder, `${name}.js`);
    writeFileSync(path, code.replace(GATE, gate));
    return path;
  };
  const guarded = (id: string): string => `if (${patched}('${id}')) ${wait}`;
  return {
    old,
    changed: write('changed', `${guarded('before-gate')} ${GATE} ${guarded('after-gate')}`),
    broken: write('broken', `${wait} ${GATE}`),
  };
}
