/**
 * Makes a provider's JSON Schema strict: wherever it declares properties, no others are allowed; an object for which it declares
 * none stays free-form. Also mends what a validator for draft 2020-12 cannot read (older drafts, OpenAPI's nullable). Pure.
 */
import type { Json, JsonObject } from '../domain/json.ts';

/** No real tool comes near; a schema that nests deeper is not worth a stack overflow. */
const MAX_DEPTH = 100;
const TYPES: readonly Json[] = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];
/** Keywords whose value may be null; elsewhere null means that the provider's serialiser wrote an absent keyword. */
const NULLABLE_KEYWORDS: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples', 'example']);
const DROPPED_KEYWORDS: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  'id',
  'nullable',
  'additionalItems',
]);
/** Keywords that apply further schemas to the same object. */
const IN_PLACE_KEYWORDS = [
  'allOf',
  'anyOf',
  'oneOf',
  'if',
  'then',
  'else',
  '$ref',
  'dependentSchemas',
] as const;

/**
 * Where a schema stands. `value`: it describes a whole value, so it is closed. `branch`: another schema describes the same value
 * too and is the one to close. `test`: it only asks a question (`if`, `not`); closing it would change the answer.
 */
type Position = 'value' | 'branch' | 'test';
type Context = { readonly root: JsonObject; readonly depth: number };

/** The closed schema of a tool's arguments. @throws RangeError when it nests too deep. */
export function closeSchema(root: JsonObject): JsonObject {
  const closed = rewrite(root, 'value', { root, depth: 0 });
  // A tool without parameters takes none, unless it says that it takes anything.
  const isOpenOnPurpose = 'additionalProperties' in root || declaresProperties(root, { root, depth: 0 });
  return isOpenOnPurpose || hasInPlace(root) ? closed : { ...closed, additionalProperties: false };
}

/** Parameters for files are not offered: the SDK would fill them from the worker's disk, and a key of Composio's file store is no user's to name. */
export function withoutFileParameters(schema: JsonObject): JsonObject {
  const strip = (value: Json, depth: number): Json => {
    if (depth > MAX_DEPTH * 3 || typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return (value as readonly Json[]).map((item) => strip(item, depth + 1));
    const out: Record<string, Json> = {};
    for (const [key, member] of Object.entries(value as JsonObject))
      define(out, key, strip(member, depth + 1));
    const { properties, required } = out;
    if (!isObject(properties)) return out;
    const kept = Object.entries(properties).filter(([, p]) => !(isObject(p) && p.file_uploadable === true));
    if (kept.length === Object.keys(properties).length) return out;
    out.properties = Object.fromEntries(kept);
    if (Array.isArray(required)) out.required = required.filter((name) => kept.some(([key]) => key === name));
    return out;
  };
  return strip(schema, 0) as JsonObject;
}

function rewrite(schema: JsonObject, position: Position, context: Context): JsonObject {
  if (context.depth > MAX_DEPTH) throw new RangeError('the schema nests too deep');
  const out = mend(rewriteMembers(schema, position, { ...context, depth: context.depth + 1 }), schema);
  if (position === 'test') return out;
  const isOpen = isOpenSchema(out.additionalProperties);
  if (position === 'branch') {
    // Would mark every key as known and so open the schema around it.
    if (isOpen && declaresOwn(schema)) delete out.additionalProperties;
    return out;
  }
  if (!declaresProperties(schema, context)) return out;
  if (!hasInPlace(schema)) {
    if (isOpen) out.additionalProperties = false;
    return out;
  }
  if (isOpen) delete out.additionalProperties;
  if (isOpenSchema(out.unevaluatedProperties) && !('additionalProperties' in out))
    out.unevaluatedProperties = false;
  if (!declaresOwn(schema)) openFreeBranches(out, schema);
  return out;
}

function rewriteMembers(schema: JsonObject, position: Position, context: Context): Record<string, Json> {
  const inner: Position = position === 'test' ? 'test' : 'value';
  const branch: Position = position === 'test' ? 'test' : 'branch';
  const one = (value: Json, p: Position): Json => (isObject(value) ? rewrite(value, p, context) : value);
  const list = (value: Json, p: Position): Json =>
    Array.isArray(value) ? (value as readonly Json[]).map((item) => one(item, p)) : value;
  const map = (value: Json, p: Position): Json => {
    if (!isObject(value)) return value;
    const members: Record<string, Json> = {};
    for (const [key, member] of Object.entries(value)) define(members, key, one(member, p));
    return members;
  };
  const out: Record<string, Json> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (DROPPED_KEYWORDS.has(keyword) || (value === null && !NULLABLE_KEYWORDS.has(keyword))) continue;
    switch (keyword) {
      case 'properties':
      case 'patternProperties':
        out[keyword] = map(value, inner);
        break;
      case '$defs':
      case 'definitions':
      case 'dependentSchemas':
        out[keyword] = map(value, branch);
        break;
      case 'allOf':
      case 'anyOf':
      case 'oneOf':
        out[keyword] = list(value, branch);
        break;
      case 'then':
      case 'else':
        out[keyword] = one(value, branch);
        break;
      case 'if':
      case 'not':
      case 'contains':
      case 'propertyNames':
        out[keyword] = one(value, 'test');
        break;
      case 'prefixItems':
        out[keyword] = list(value, inner);
        break;
      case 'items':
        // Before 2020-12 an array of schemas was a tuple, and `additionalItems` what follows it.
        if (Array.isArray(value)) {
          if (value.length > 0) out.prefixItems = list(value, inner);
          if (schema.additionalItems !== undefined) out.items = one(schema.additionalItems, inner);
        } else out.items = one(value, inner);
        break;
      case 'additionalProperties':
      case 'unevaluatedItems':
        out[keyword] = one(value, inner);
        break;
      default:
        define(out, keyword, value);
    }
  }
  return out;
}

/** Drops or translates keywords on which the validator would refuse the whole schema; Composio checks the call once more. */
function mend(out: Record<string, Json>, schema: JsonObject): Record<string, Json> {
  const types = (Array.isArray(out.type) ? (out.type as readonly Json[]) : [out.type ?? null]).filter((t) =>
    TYPES.includes(t),
  );
  if (types.length === 0 || out.type === undefined) delete out.type;
  else {
    if (schema.nullable === true && !types.includes('null')) types.push('null');
    out.type = types.length === 1 ? (types[0] ?? null) : [...new Set(types)];
  }
  if (Array.isArray(out.enum)) {
    if (out.enum.length === 0) delete out.enum;
    else if (schema.nullable === true && !out.enum.includes(null))
      out.enum = [...(out.enum as readonly Json[]), null];
  } else delete out.enum;
  if (!Array.isArray(out.required)) delete out.required;
  if (typeof out.pattern !== 'string' || !isPattern(out.pattern)) delete out.pattern;
  for (const [exclusive, limit] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof out[exclusive] !== 'boolean') continue;
    if (out[exclusive] && typeof out[limit] === 'number') {
      out[exclusive] = out[limit];
      delete out[limit];
    } else delete out[exclusive];
  }
  return out;
}

/** `anyOf: [a described object, any object]`: the second alternative must go on meaning any object. */
function openFreeBranches(out: Record<string, Json>, schema: JsonObject): void {
  for (const keyword of ['anyOf', 'oneOf'] as const) {
    const branches = out[keyword];
    if (!Array.isArray(branches) || !Array.isArray(schema[keyword])) continue;
    out[keyword] = (branches as readonly Json[]).map((branch) => {
      if (!isObject(branch) || declaresOwn(branch) || hasInPlace(branch) || 'required' in branch)
        return branch;
      const isObjectType =
        branch.type === 'object' || (Array.isArray(branch.type) && branch.type.includes('object'));
      return isObjectType && !('additionalProperties' in branch)
        ? { ...branch, additionalProperties: true }
        : branch;
    });
  }
}

function declaresOwn(schema: JsonObject): boolean {
  return isObject(schema.properties) && Object.keys(schema.properties).length > 0;
}

/** Whether this schema, or one that it applies to the same value, names properties. */
function declaresProperties(schema: JsonObject, context: Context, seen = new Set<JsonObject>()): boolean {
  if (seen.has(schema)) return false;
  seen.add(schema);
  if (declaresOwn(schema)) return true;
  const others: Json[] = [];
  for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
    const list = schema[keyword];
    if (Array.isArray(list)) others.push(...(list as readonly Json[]));
  }
  for (const keyword of ['then', 'else'] as const) others.push(schema[keyword] ?? null);
  if (isObject(schema.dependentSchemas)) others.push(...Object.values(schema.dependentSchemas));
  if (typeof schema.$ref === 'string') others.push(resolveRef(schema.$ref, context.root));
  return others.some((other) => isObject(other) && declaresProperties(other, context, seen));
}

function hasInPlace(schema: JsonObject): boolean {
  return IN_PLACE_KEYWORDS.some((keyword) => keyword in schema);
}

function resolveRef(ref: string, root: JsonObject): Json {
  if (!ref.startsWith('#')) return null;
  let at: Json = root;
  for (const raw of ref.slice(1).split('/').filter(Boolean)) {
    const key = decodeURIComponent(raw).replaceAll('~1', '/').replaceAll('~0', '~');
    const next: Json | undefined = Array.isArray(at)
      ? (at as readonly Json[])[Number(key)]
      : isObject(at) && Object.hasOwn(at, key)
        ? at[key]
        : undefined;
    if (next === undefined) return null;
    at = next;
  }
  return at;
}

/** Absent, `true` and `{}` all let any key pass. */
function isOpenSchema(schema: Json | undefined): boolean {
  return schema === undefined || schema === true || (isObject(schema) && Object.keys(schema).length === 0);
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Plain assignment to `__proto__` would set the prototype instead of a member. */
function define(target: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}
