/**
 * Whether a model's arguments may go to a tool. Refuses what the tool's schema does not declare, and keys that are dangerous
 * whatever a schema says. Changes nothing: no coercion, no defaults. Its messages are written for the model.
 */
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Tool } from '../domain/tool.ts';
import { closeSchema } from './close-schema.ts';
import { ComposioFailure } from './failure.ts';
import { createLru } from './lru.ts';

/** composio-core reads the file or address named by such a key and uploads it; the model must never be able to ask for that. */
const FILE_KEY_SUFFIX = '_schema_parsed_file';
/** Keys with which merging code downstream could reach an object's prototype. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
/** Deeper or larger than any tool's input; both bound what checking may cost. */
const MAX_DEPTH = 64;
const MAX_VALUES = 100_000;
/** A compiled check is about 100 KB: 50 MB at most. */
const MAX_CHECKS = 500;
/** Enough for a model to mend its call in one go. */
const MAX_PROBLEMS = 5;
const MAX_NAME_CHARS = 60;
const MAX_LISTED = 20;

type Check = { readonly parameters: JsonObject; readonly validate: ValidateFunction };

export type ArgumentChecker = {
  /** @throws ComposioFailure kind `invalid_arguments`, outcome `not_sent`. */
  check(tool: Tool, args: JsonObject): void;
};

export function createArgumentChecker(): ArgumentChecker {
  const ajv = new Ajv2020({
    strict: false,
    validateSchema: false,
    validateFormats: false,
    allErrors: true,
    verbose: true,
    // Providers' patterns are written for many engines; the stricter unicode mode refuses needless escapes.
    unicodeRegExp: false,
  });
  const checks = createLru<Check>({ maxEntries: MAX_CHECKS });

  function checkFor(tool: Tool): Check {
    const key = `${tool.slug}@${tool.version ?? ''}`;
    const known = checks.get(key);
    if (known && isSame(known.parameters, tool.parameters)) return known;
    const closed = closeSchema(tool.parameters);
    const validate = ajv.compile(closed);
    // ajv keeps every schema it compiled; this cache is the bounded one.
    ajv.removeSchema(closed);
    const check: Check = { parameters: tool.parameters, validate };
    checks.set(key, check);
    return check;
  }

  return {
    check(tool, args) {
      const forbidden = findForbidden(args);
      if (forbidden !== null) throw refusal(tool, [forbidden]);
      let check: Check;
      try {
        check = checkFor(tool);
      } catch (cause) {
        // What cannot be checked is not executed.
        throw refusal(tool, ["this tool's schema cannot be checked, so the tool cannot be used"], cause);
      }
      if (!check.validate(args)) throw refusal(tool, describe(check.validate.errors ?? []));
    },
  };
}

/** The same slug and version may come with another schema when Composio gave no version. */
function isSame(a: JsonObject, b: JsonObject): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** The first thing that no schema may allow, or null. Not recursive, so that no nesting can exhaust the stack. */
function findForbidden(args: JsonObject): string | null {
  if (typeof args !== 'object' || args === null || Array.isArray(args)) return 'arguments must be an object';
  const open: { readonly value: Json; readonly path: string; readonly depth: number }[] = [
    { value: args, path: '', depth: 0 },
  ];
  let seen = 0;
  for (let at = open.pop(); at; at = open.pop()) {
    if (++seen > MAX_VALUES) return `arguments hold more than ${String(MAX_VALUES)} values`;
    if (typeof at.value !== 'object' || at.value === null) continue;
    if (at.depth > MAX_DEPTH) return `arguments nest deeper than ${String(MAX_DEPTH)} levels`;
    for (const key of Object.keys(at.value)) {
      const path = at.depth < 8 ? `${at.path}/${shorten(key)}` : at.path;
      if (!Array.isArray(at.value) && isForbiddenKey(key)) return `${path}: this key is not allowed`;
      const value = (at.value as Record<string, Json | undefined>)[key];
      if (value !== undefined) open.push({ value, path, depth: at.depth + 1 });
    }
  }
  return null;
}

function isForbiddenKey(key: string): boolean {
  return PROTOTYPE_KEYS.has(key) || key.toLowerCase().endsWith(FILE_KEY_SUFFIX);
}

function describe(errors: readonly ErrorObject[]): string[] {
  const problems = new Set<string>();
  for (const error of errors) {
    if (problems.size === MAX_PROBLEMS) break;
    problems.add(`${pathOf(error.instancePath)}: ${reasonOf(error)}`);
  }
  return [...problems];
}

function reasonOf(error: ErrorObject): string {
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = String(params.additionalProperty ?? params.unevaluatedProperty);
      const known = (error.parentSchema as { properties?: object } | undefined)?.properties;
      const names = known ? Object.keys(known) : [];
      const hint = names.length > 0 ? `; known are ${listOf(names)}` : '';
      return `the key ${JSON.stringify(shorten(name))} is not known${hint}`;
    }
    case 'required':
      return `${JSON.stringify(shorten(String(params.missingProperty)))} is missing`;
    case 'enum':
      return `must be one of ${listOf((params.allowedValues as unknown[]).map((value) => JSON.stringify(value)))}`;
    case 'const':
      return `must be ${shorten(JSON.stringify(params.allowedValue))}`;
    default:
      return shorten(error.message ?? 'does not fit', 200);
  }
}

function refusal(tool: Tool, problems: readonly string[], cause?: unknown): ComposioFailure {
  return new ComposioFailure(`Invalid arguments for ${tool.slug}: ${problems.join('; ')}`, {
    kind: 'invalid_arguments',
    outcome: 'not_sent',
    cause,
  });
}

function pathOf(instancePath: string): string {
  return instancePath === '' ? 'arguments' : shorten(instancePath, 200);
}

function listOf(values: readonly string[]): string {
  const shown = values.slice(0, MAX_LISTED).map((value) => shorten(value));
  return shown.join(', ') + (values.length > shown.length ? ', …' : '');
}

function shorten(text: string, max = MAX_NAME_CHARS): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}
