/** `npm run build`: writes dist/workflow-bundle.js, which the image's worker loads (BELLHOP_WORKFLOW_BUNDLE). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildWorkflowBundle } from '../worker/workflow-bundle.ts';

const folder = join(import.meta.dirname, '..', 'dist');
const file = join(folder, 'workflow-bundle.js');
mkdirSync(folder, { recursive: true });
writeFileSync(file, await buildWorkflowBundle());
console.log(`wrote ${file}`);
