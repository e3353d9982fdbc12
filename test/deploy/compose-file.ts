/**
 * Reads docker-compose.yml without Docker: the part of YAML that the file keeps to (block maps and lists, flow lists of
 * strings, anchors, merge keys, quoted and plain scalars), and Compose's variables. Anything else is an error, not a guess.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Yaml = string | null | Yaml[] | { [key: string]: Yaml };
export type YamlMap = { [key: string]: Yaml };
export type Env = Readonly<Record<string, string>>;

type Line = { readonly indent: number; readonly text: string; readonly number: number };

export const ROOT = join(import.meta.dirname, '..', '..');

/** The file with `env` put in where Compose would. @throws when a `${VAR:?…}` is not given. */
export function readComposeFile(env: Env): YamlMap {
  return readYaml(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), env);
}

export function readYaml(source: string, env: Env = {}): YamlMap {
  const lines = source.split('\n').flatMap((raw, index): Line[] => {
    const text = raw.trim();
    if (text === '' || text.startsWith('#')) return [];
    return [{ indent: raw.length - raw.trimStart().length, text, number: index + 1 }];
  });
  const reader = new Reader(lines, env);
  const value = reader.readBlock(0);
  reader.assertEnd();
  return asMap(value);
}

export function asMap(value: Yaml | undefined): YamlMap {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new TypeError('not a map');
  return value;
}

export function asList(value: Yaml | undefined): string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
    throw new TypeError('not a list of strings');
  return value;
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?reason}`, as Compose reads them: an empty variable counts as unset. */
export function interpolate(text: string, env: Env): string {
  return text.replace(
    /\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}/g,
    (_all, name: string, kind?: string, rest?: string) => {
      const value = env[name] ?? '';
      if (value === '' && kind === '?') throw new Error(`required variable ${name} is missing: ${rest}`);
      return value === '' ? (rest ?? '') : value;
    },
  );
}

class Reader {
  readonly #lines: readonly Line[];
  readonly #env: Env;
  readonly #anchors = new Map<string, Yaml>();
  #at = 0;

  constructor(lines: readonly Line[], env: Env) {
    this.#lines = lines;
    this.#env = env;
  }

  assertEnd(): void {
    const line = this.#lines[this.#at];
    if (line) throw new Error(`line ${line.number}: wrong indentation`);
  }

  readBlock(indent: number): Yaml {
    const first = this.#lines[this.#at];
    if (!first || first.indent < indent) return null;
    return first.text.startsWith('- ') ? this.#readList(first.indent) : this.#readMap(first.indent);
  }

  #readList(indent: number): Yaml[] {
    const items: Yaml[] = [];
    for (;;) {
      const line = this.#lines[this.#at];
      if (!line || line.indent !== indent || !line.text.startsWith('- ')) return items;
      this.#at += 1;
      items.push(this.#readScalar(line.text.slice(2), line));
    }
  }

  #readMap(indent: number): YamlMap {
    const map: YamlMap = {};
    // What is merged in may be overwritten; what the file says itself may be said once.
    const own = new Set<string>();
    for (;;) {
      const line = this.#lines[this.#at];
      if (!line || line.indent !== indent) return map;
      const match = /^([\w.<-]+):(?: (.*))?$/.exec(line.text);
      if (!match) throw new Error(`line ${line.number}: not "key: value"`);
      this.#at += 1;
      const [, key = '', rest = ''] = match;
      const value = this.#readValue(rest, line);
      if (key !== '<<') {
        if (own.has(key)) throw new Error(`line ${line.number}: ${key} is there twice`);
        own.add(key);
        map[key] = value;
      } else for (const [name, merged] of Object.entries(asMap(value))) map[name] ??= merged;
    }
  }

  #readValue(rest: string, line: Line): Yaml {
    const anchor = /^&(\w+)$/.exec(rest);
    const alias = /^\*(\w+)$/.exec(rest);
    if (alias) {
      const value = this.#anchors.get(alias[1] ?? '');
      if (value === undefined) throw new Error(`line ${line.number}: unknown anchor`);
      return value;
    }
    if (rest === '' || anchor) {
      const value = this.readBlock(line.indent + 1);
      if (anchor) this.#anchors.set(anchor[1] ?? '', value);
      return value;
    }
    return this.#readScalar(rest, line);
  }

  #readScalar(text: string, line: Line): Yaml {
    if (text === '{}') return {};
    if (text.startsWith('[') && text.endsWith(']')) {
      const items = text.slice(1, -1).match(/'[^']*'|"[^"]*"|[^,\s]+/g) ?? [];
      return items.map((item) => this.#readScalar(item, line));
    }
    const quoted = /^'([^']*)'$/.exec(text) ?? /^"([^"\\]*)"$/.exec(text);
    if (quoted) return interpolate(quoted[1] ?? '', this.#env);
    if (/^[{["'|>&*!%@`]/.test(text) || / #|: /.test(text.replaceAll(/\$\{[^}]*\}/g, '')))
      throw new Error(`line ${line.number}: more YAML than this reader knows`);
    return interpolate(text, this.#env);
  }
}
