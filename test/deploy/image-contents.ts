/** What the Dockerfile puts into the image, and what a main file needs of it. Reads files; builds and runs nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from './compose-file.ts';

export type Instruction = { readonly name: string; readonly text: string };
export type Stage = { readonly name: string; readonly instructions: readonly Instruction[] };

export function readStages(): Stage[] {
  const source = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
  const text = source.replaceAll(/^#.*\n/gm, '').replaceAll(/\\\n\s*/g, ' ');
  const stages: { name: string; instructions: Instruction[] }[] = [];
  for (const line of text.split('\n')) {
    const [, name = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line.trim()) ?? [];
    if (name === 'FROM') stages.push({ name: / AS (\w+)$/.exec(rest)?.[1] ?? '', instructions: [] });
    else if (name !== '') stages.at(-1)?.instructions.push({ name, text: rest });
  }
  return stages;
}

export function readStage(name: string): Stage {
  const stage = readStages().find((candidate) => candidate.name === name);
  if (!stage) throw new Error(`the Dockerfile has no stage ${name}`);
  return stage;
}

/** The last value of an instruction in a stage. */
export function lastOf(stage: Stage, name: string): string | undefined {
  return stage.instructions.findLast((instruction) => instruction.name === name)?.text;
}

/** What a stage copies out of the repository: files and folders. */
export function copiedPaths(stage: Stage): string[] {
  return stage.instructions
    .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from'))
    .flatMap(({ text }) => text.split(' ').slice(0, -1));
}

export type Imports = { readonly files: readonly string[]; readonly packages: readonly string[] };

/**
 * Everything that Node loads when it runs these files, dynamic imports included. `import type` is erased and loads
 * nothing; `import { type A }` still loads its file.
 */
export function walkImports(entries: readonly string[]): Imports {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    const path = relative(ROOT, file);
    if (files.has(path)) return;
    if (!existsSync(file)) throw new Error(`${path} is imported and not there`);
    files.add(path);
    for (const name of importsOf(readFileSync(file, 'utf8'))) {
      if (name.startsWith('.')) visit(join(dirname(file), name));
      else if (!name.startsWith('node:')) packages.add(packageOf(name));
    }
  };
  for (const entry of entries) visit(join(ROOT, entry));
  return { files: [...files].sort(), packages: [...packages].sort() };
}

export function importsOf(source: string): string[] {
  const statements = source.matchAll(
    /^(?:import|export)\s+(?!type\s)(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...statements].map((match) => match[1] ?? match[2] ?? '');
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

export function isCovered(path: string, copied: readonly string[]): boolean {
  return copied.some((source) => path === source || path.startsWith(`${source}/`));
}
