import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { variables } from '../../config/schema.ts';
import { ROOT } from './compose-file.ts';
import {
  copiedPaths,
  importsOf,
  isCovered,
  lastOf,
  readStage,
  readStages,
  walkImports,
} from './image-contents.ts';

const MAIN_FILES = ['api/main.ts', 'worker/main.ts', 'db/migrate.ts'];
const runtime = readStage('runtime');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
};

describe('Dockerfile', () => {
  it('copies only what exists', () => {
    const paths = readStages().flatMap(copiedPaths);
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('copies every file that the API, the worker and the migrations load', () => {
    const { files } = walkImports(MAIN_FILES);
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((path) => !isCovered(path, copiedPaths(runtime)))).toEqual([]);
  });

  it('copies no folder that none of them loads, and none that is for development', () => {
    const { files } = walkImports(MAIN_FILES);
    const idle = copiedPaths(runtime).filter(
      (path) => path !== 'package.json' && !files.some((file) => isCovered(file, [path])),
    );
    expect(idle).toEqual([]);
    for (const path of ['sandbox', 'bench', 'test', 'scripts', 'docs', '.', '.env'])
      expect(copiedPaths(runtime)).not.toContain(path);
  });

  it('installs no devDependency, and needs none', () => {
    const { packages } = walkImports(MAIN_FILES);
    expect(packages).toContain('composio-core');
    expect(packages).toContain('@composio/core');
    expect(packages.filter((name) => !Object.hasOwn(manifest.dependencies, name))).toEqual([]);
    const install = readStage('dependencies').instructions.find(({ name }) => name === 'RUN')?.text ?? '';
    expect(install).toMatch(/npm ci --omit=dev --ignore-scripts/);
    expect(runtime.instructions.map(({ text }) => text).join('\n')).not.toMatch(/npm (ci|i|install)\b/);
    const modules = runtime.instructions.filter(({ text }) => text.includes('node_modules'));
    expect(modules.map(({ text }) => text)).toEqual(['--from=dependencies /app/node_modules ./node_modules']);
  });

  it('builds the workflow bundle where the worker looks for it', () => {
    const build = readStage('build');
    expect(build.instructions.map(({ text }) => text)).toContain('npm run build');
    const script = manifest.scripts['build']?.replace('node ', '') ?? '';
    const { files } = walkImports([script, 'workflows/index.ts']);
    expect(files.filter((path) => !isCovered(path, copiedPaths(build)))).toEqual([]);
    const path = /BELLHOP_WORKFLOW_BUNDLE=(\S+)/.exec(lastOf(runtime, 'ENV') ?? '')?.[1];
    expect(path).toBe('/app/dist/workflow-bundle.js');
    expect(readFileSync(join(ROOT, script), 'utf8')).toContain("'workflow-bundle.js'");
  });

  it('runs as nobody in particular, in production mode, with an empty home', () => {
    expect(lastOf(runtime, 'USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const env = lastOf(runtime, 'ENV') ?? '';
    expect(env).toContain('NODE_ENV=production');
    const home = /HOME=(\S+)/.exec(env)?.[1];
    expect(runtime.instructions[0]?.text).toContain(`mkdir --mode=0555 ${home}`);
    const names = [...env.matchAll(/([A-Z_]+)=/g)].map((match) => match[1] ?? '');
    expect(names.filter((name) => name !== 'HOME' && !Object.hasOwn(variables, name))).toEqual([]);
  });

  it('gets SIGTERM to node, and says whether it is alive', () => {
    const command = JSON.parse(lastOf(runtime, 'CMD') ?? '') as string[];
    expect(`exec ${command.join(' ')}`).toBe(manifest.scripts['api']);
    const check = lastOf(runtime, 'HEALTHCHECK') ?? '';
    const [node, flag, program] = JSON.parse(check.slice(check.indexOf('['))) as string[];
    expect([node, flag]).toEqual(['node', '-e']);
    expect(program).toContain('/healthz');
  });

  it('uses a Node that the project supports', () => {
    const source = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
    expect(/^ARG NODE_IMAGE=node:(\d+)/m.exec(source)?.[1]).toBe(
      readFileSync(join(ROOT, '.nvmrc'), 'utf8').trim(),
    );
  });
});

describe('.dockerignore', () => {
  it('lets through exactly what the Dockerfile copies', () => {
    const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines[0]).toBe('*');
    const passed = lines.slice(1).map((line) => line.replace(/^!/, ''));
    expect(passed.toSorted()).toEqual([...new Set(readStages().flatMap(copiedPaths))].sort());
  });
});

describe('the walk over imports that these tests use', () => {
  it('follows what Node loads, and not what type stripping erases', () => {
    const source = [
      "import type { A } from './a.ts';",
      "import { type B } from './b.ts';",
      "import {\n  c,\n  type D,\n} from './c.ts';",
      "export { e } from './e.ts';",
      "export type { F } from './f.ts';",
      "import './g.ts';",
      "const h = await import('./h.ts');",
    ].join('\n');
    expect(importsOf(source).sort()).toEqual(['./b.ts', './c.ts', './e.ts', './g.ts', './h.ts']);
  });
});
