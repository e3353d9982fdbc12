/**
 * Checks arguments against a tool's schema as the live server does: required keys, types and enums, at any depth.
 * Keys that the schema does not know are let through: a careful caller refuses them itself, and tests prove that it does.
 */
import type { Json, JsonObject } from '../../../domain/json.ts';

/** Sentences of what is wrong; empty when the arguments fit. */
export function checkArguments(schema: JsonObject, value: Json, path = ''): readonly string[] {
  const type = schema['type'];
  if (typeof type === 'string' && !isOfType(value, type))
    return [`${path || 'arguments'} should be a valid ${type}`];
  const choices = schema['enum'];
  if (Array.isArray(choices) && !(choices as readonly Json[]).includes(value)) {
    return [`${path} should be one of ${(choices as readonly Json[]).map(String).join(', ')}`];
  }
  if (type === 'array') {
    const items = (schema['items'] ?? {}) as JsonObject;
    return (value as readonly Json[]).flatMap((item, index) =>
      checkArguments(items, item, `${path}[${index}]`),
    );
  }
  return type === 'object' ? checkObject(schema, value as JsonObject, path) : [];
}

function checkObject(schema: JsonObject, value: JsonObject, path: string): readonly string[] {
  const problems: string[] = [];
  const prefix = path === '' ? '' : `${path}.`;
  const required = (schema['required'] ?? []) as readonly string[];
  const missing = required.filter((key) => value[key] === undefined);
  if (missing.length > 0) {
    problems.push(`Following fields are missing: {${missing.map((key) => `'${prefix}${key}'`).join(', ')}}`);
  }
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, JsonObject>>;
  for (const [key, member] of Object.entries(value)) {
    const memberSchema = Object.hasOwn(properties, key) ? properties[key] : undefined;
    // Null stands for "not given" in optional arguments.
    if (memberSchema === undefined || (member === null && !required.includes(key))) continue;
    problems.push(...checkArguments(memberSchema, member, prefix + key));
  }
  return problems;
}

function isOfType(value: Json, type: string): boolean {
  switch (type) {
    case 'object':
      return value !== null && typeof value === 'object' && !Array.isArray(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}
