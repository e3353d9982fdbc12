/** How `npm run <name>` starts a process, from package.json: what is measured runs with V8's limits as they are in production. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Scripts = { readonly scripts: Readonly<Record<string, string>> };

/** The flags of node. @throws when that script is not `exec node … main.ts`. */
export function processFlags(name: 'api' | 'worker'): readonly string[] {
  const { scripts } = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'),
  ) as Scripts;
  const words = /^exec node (.*)\b(?:api|worker)\/main\.ts$/.exec(scripts[name] ?? '');
  if (!words) throw new Error(`package.json: the script ${name} is not known here`);
  return (words[1] ?? '').split(' ').filter((word) => word !== '');
}
