/**
 * Fills a tool's arguments from the facts of a clause, by the names and types in its JSON Schema. Required properties always
 * get a value that fits the schema; optional ones only when the task says something for them. Pure.
 */
import type { OfferedTool } from './chat-request.ts';
import { isObject } from './chat-request.ts';
import type { Details } from './details.ts';
import { findValue } from './results.ts';
import { type Guess, guessByName, isSaid } from './guesses.ts';

type Schema = Readonly<Record<string, unknown>>;
export type FillContext = {
  readonly details: Details;
  /** What earlier calls of this task found, in words, when the clause speaks of it. */
  readonly findings: string | null;
  /** Their data, for ids. */
  readonly data: readonly unknown[];
};

/** Deeper schemas are recursive ones. */
const MAX_DEPTH = 5;

export function fillArguments(tool: OfferedTool, context: FillContext): Readonly<Record<string, unknown>> {
  const filled = fillObject(tool.parameters, context, { root: tool.parameters, depth: 0 });
  const properties = propertiesOf(tool.parameters);
  // Of several optional ways to say something (`text` or `markdown_text`) one is taken, the first.
  const sayable = Object.keys(properties).filter(isSaid);
  if (sayable.length > 0 && !sayable.some((name) => filled[name] !== undefined)) {
    const name = sayable[0] ?? '';
    const text = guessByName(name, context);
    if (text !== null && typeOf(properties[name] ?? {}) === 'string')
      return { ...filled, [name]: fitText(String(text.value), properties[name] ?? {}) };
  }
  return filled;
}

type Place = { readonly root: Schema; readonly depth: number };

function fillObject(schema: Schema, context: FillContext, place: Place): Record<string, unknown> {
  const required = Array.isArray(schema['required']) ? (schema['required'] as readonly unknown[]) : [];
  const filled: Record<string, unknown> = {};
  for (const [name, raw] of Object.entries(propertiesOf(schema))) {
    const property = resolve(raw, place.root);
    const guess = guessByName(name, context);
    if (required.includes(name)) filled[name] = fillValue(name, property, context, place, guess);
    else if (isChoiceSaid(property, context.details.clause))
      filled[name] = fillValue(name, property, context, place, null);
    else if (guess?.isCertain && !isSaid(name))
      filled[name] = fillValue(name, property, context, place, guess);
  }
  return filled;
}

function fillValue(
  name: string,
  schema: Schema,
  context: FillContext,
  place: Place,
  guess: Guess | null,
): unknown {
  if (schema['const'] !== undefined) return schema['const'];
  const choices = Array.isArray(schema['enum']) ? (schema['enum'] as readonly unknown[]) : null;
  if (choices) return pickChoice(choices, schema, context.details.clause);
  const fallback = schema['default'];
  switch (typeOf(schema)) {
    case 'object':
      return place.depth >= MAX_DEPTH
        ? {}
        : fillObject(schema, context, { ...place, depth: place.depth + 1 });
    case 'array':
      return fillArray(name, schema, context, place, guess);
    case 'boolean':
      return typeof fallback === 'boolean' ? fallback : false;
    case 'integer':
    case 'number':
      return fitNumber(guess, schema);
    default:
      if (guess) return fitText(String(guess.value), schema);
      if (typeof fallback === 'string') return fallback;
      return fitText(textFallback(name, schema, context), schema);
  }
}

function fillArray(
  name: string,
  schema: Schema,
  context: FillContext,
  place: Place,
  guess: Guess | null,
): unknown[] {
  const items = isObject(schema['items']) ? resolve(schema['items'], place.root) : {};
  if (guess && Array.isArray(guess.value))
    return (guess.value as readonly unknown[]).map((value) =>
      typeOf(items) === 'object' ? wrap(items, value) : value,
    );
  if (Array.isArray(schema['default'])) return [...(schema['default'] as readonly unknown[])];
  const least = typeof schema['minItems'] === 'number' ? schema['minItems'] : 1;
  if (place.depth >= MAX_DEPTH) return [];
  const item = fillValue(name.replace(/s$/, ''), items, context, { ...place, depth: place.depth + 1 }, guess);
  return Array.from({ length: Math.max(least, guess ? 1 : least) }, () => item);
}

/** A list of objects where plain values are known: `attendees: [{email}]`. */
function wrap(items: Schema, value: unknown): unknown {
  const [first] = Object.entries(propertiesOf(items)).filter(([, property]) => typeOf(property) === 'string');
  return first ? { [first[0]]: value } : {};
}

/** An optional choice is worth making when the clause names it: "the closed issues". */
function isChoiceSaid(schema: Schema, clause: string): boolean {
  const choices = Array.isArray(schema['enum']) ? (schema['enum'] as readonly unknown[]) : [];
  const said = saidChoice(choices, clause);
  return said !== undefined && said !== schema['default'];
}

function pickChoice(choices: readonly unknown[], schema: Schema, clause: string): unknown {
  return (
    saidChoice(choices, clause) ?? (choices.includes(schema['default']) ? schema['default'] : choices[0])
  );
}

function saidChoice(choices: readonly unknown[], clause: string): unknown {
  const words = ` ${(clause.toLowerCase().match(/[a-z0-9]+/g) ?? []).join(' ')} `;
  return choices.find((choice) => {
    const name = (
      String(choice)
        .toLowerCase()
        .match(/[a-z0-9]+/g) ?? []
    ).join(' ');
    return name !== '' && words.includes(` ${name} `);
  });
}

function fitNumber(guess: Guess | null, schema: Schema): number {
  const least = typeof schema['minimum'] === 'number' ? schema['minimum'] : -Infinity;
  const most = typeof schema['maximum'] === 'number' ? schema['maximum'] : Infinity;
  const fallback =
    typeof schema['default'] === 'number' ? schema['default'] : Math.max(least, Math.min(most, 1));
  const wanted = guess && Number.isFinite(Number(guess.value)) ? Number(guess.value) : fallback;
  const fitting = Math.min(most, Math.max(least, wanted));
  return typeOf(schema) === 'integer' ? Math.round(fitting) : fitting;
}

function fitText(text: string, schema: Schema): string {
  const most = typeof schema['maxLength'] === 'number' ? schema['maxLength'] : Infinity;
  const least = typeof schema['minLength'] === 'number' ? schema['minLength'] : 0;
  return text.slice(0, most).padEnd(least, '.');
}

function textFallback(name: string, schema: Schema, context: FillContext): string {
  switch (schema['format']) {
    case 'email':
      return context.details.emails[0] ?? 'someone@example.com';
    case 'uri':
    case 'url':
      return context.details.urls[0] ?? 'https://example.com/';
    case 'uuid':
      return '00000000-0000-4000-8000-000000000001';
    case 'date':
      return context.details.dates[0]?.slice(0, 10) ?? '2026-01-05';
    case 'date-time':
      return context.details.dates[0] ?? '2026-01-05T10:00:00Z';
    default:
      return /(?:^|_)ids?$/i.test(name)
        ? String(findId(name, context.data) ?? `${name.toLowerCase()}-1`)
        : context.details.text;
  }
}

function findId(name: string, data: readonly unknown[]): string | number | null {
  for (const one of data.toReversed()) {
    const found = findValue(one, name) ?? findValue(one, 'id');
    if (found !== null) return found;
  }
  return null;
}

function propertiesOf(schema: Schema): Readonly<Record<string, Schema>> {
  const properties = schema['properties'];
  return isObject(properties) ? (properties as Record<string, Schema>) : {};
}

/** Follows a local `$ref` and takes the first branch of a union that is not null. */
function resolve(schema: Schema, root: Schema, depth = 0): Schema {
  if (depth > MAX_DEPTH || !isObject(schema)) return {};
  const ref = schema['$ref'];
  if (typeof ref === 'string' && ref.startsWith('#/')) {
    let target: unknown = root;
    for (const part of ref.slice(2).split('/')) target = isObject(target) ? target[part] : undefined;
    return isObject(target) ? resolve(target, root, depth + 1) : {};
  }
  const branches = schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf'];
  const branch = Array.isArray(branches)
    ? (branches as readonly unknown[]).find((one) => isObject(one) && one['type'] !== 'null')
    : undefined;
  return isObject(branch) ? { ...schema, ...resolve(branch, root, depth + 1) } : schema;
}

function typeOf(schema: Schema): string {
  const type = schema['type'];
  if (Array.isArray(type)) return (type as readonly string[]).find((one) => one !== 'null') ?? 'string';
  if (typeof type === 'string') return type;
  return isObject(schema['properties']) ? 'object' : isObject(schema['items']) ? 'array' : 'string';
}
