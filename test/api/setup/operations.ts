/**
 * Every operation of the served document with a request that fits it, made from the document's own examples: so that a
 * route that is added is in every matrix without a word. What cannot be made up is told as an error that says what to add.
 */
import { expect } from 'vitest';
import type { AnyBody, TestApi } from './api.ts';

export type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly schema: Schema;
};
export type Operation = {
  readonly id: string;
  readonly method: string;
  /** OpenAPI style: `/v1/users/{userId}`. */
  readonly path: string;
  readonly needsKey: boolean;
  readonly parameters: readonly Parameter[];
  /** Null when it takes none. */
  readonly bodySchema: Schema | null;
  /** A body that fits, or undefined. */
  readonly body: AnyBody;
};
/** JSON Schema, as far as this reads it. */
export type Schema = {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly example?: unknown;
  readonly examples?: readonly unknown[];
  readonly additionalProperties?: boolean | Schema;
  readonly minimum?: number;
};

export async function readOperations(api: TestApi): Promise<readonly Operation[]> {
  const document = (await api.call('GET', '/openapi.json')).body;
  const resolve = (schema: AnyBody): AnyBody => {
    if (schema === null || typeof schema !== 'object') return schema;
    if (Array.isArray(schema)) return schema.map(resolve);
    if (typeof schema.$ref === 'string') {
      const target = schema.$ref
        .split('/')
        .slice(1)
        .reduce((node: AnyBody, key: string) => node[key], document);
      return { ...resolve(target), ...resolve({ ...schema, $ref: undefined }) };
    }
    return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolve(value)]));
  };
  const isSigned = (operation: AnyBody): boolean =>
    operation.security.some((way: object) => 'webhookSignature' in way);
  return Object.entries(document.paths as Record<string, Record<string, AnyBody>>).flatMap(([path, item]) =>
    // What is signed is not for callers: whatever they send is refused for its signature. See composio-webhook.test.ts.
    Object.entries(item)
      .filter(([, operation]) => !isSigned(operation))
      .map(([method, operation]): Operation => {
        const bodySchema = resolve(operation.requestBody?.content?.['application/json']?.schema ?? null);
        return {
          id: operation.operationId,
          method: method.toUpperCase(),
          path,
          needsKey: operation.security.length > 0,
          parameters: resolve(operation.parameters ?? []),
          bodySchema,
          body: bodySchema === null ? undefined : sampleOf(bodySchema, operation.operationId),
        };
      }),
  );
}

/** A value that fits: examples first, then what is required, made up. */
function sampleOf(schema: Schema, where: string): AnyBody {
  const [first] = schema.examples ?? [];
  if (schema.example !== undefined) return schema.example;
  if (first !== undefined) return first;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const branch = (schema.anyOf ?? schema.oneOf)?.[0];
  if (branch) return sampleOf(branch, where);
  switch ([schema.type].flat()[0] ?? 'none') {
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [
          name,
          sampleOf(schema.properties?.[name] ?? {}, `${where}.${name}`),
        ]),
      );
    case 'array':
      return [sampleOf(schema.items ?? {}, where)];
    case 'string':
      return 'x';
    case 'integer':
    case 'number':
      return Math.max(1, schema.minimum ?? 1);
    case 'boolean':
      return true;
    default:
      throw new Error(`the document needs an example at ${where}`);
  }
}

/** The path with these parameters, percent-encoded. @throws when one is missing. */
export function fillPath(operation: Operation, values: Readonly<Record<string, string>>): string {
  return operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${operation.id}: say what {${name}} is`);
    return encodeURIComponent(value);
  });
}

export type Spot = { readonly at: readonly (string | number)[]; readonly type: string };

/** Where in a body there may be a value of its own: every leaf that the schema knows, in each branch of a union. */
export function leavesOf(schema: Schema, at: Spot['at'] = []): Spot[] {
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return branches.flatMap((branch) => leavesOf(branch, at));
  const types = [schema.type ?? []].flat();
  if (types.includes('object')) {
    const own = Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
      leavesOf(inner, [...at, name]),
    );
    // An object of anything, such as metadata: one member stands for all.
    const open = schema.properties === undefined ? [{ at: [...at, 'anything'], type: 'string' }] : [];
    return [...own, ...open];
  }
  if (types.includes('array')) return leavesOf(schema.items ?? { type: 'string' }, [...at, 0]);
  const type = types.find((name) => name !== 'null') ?? typeof (schema.enum?.[0] ?? schema.const ?? '');
  return [{ at, type }];
}

/** A copy of `body` with `value` at that spot; what is on the way is made. */
export function putAt(body: AnyBody, [key, ...rest]: Spot['at'], value: unknown): AnyBody {
  if (key === undefined) return value;
  if (typeof key === 'number') return [putAt(undefined, rest, value)];
  return {
    ...(isObject(body) ? body : {}),
    [key]: putAt(isObject(body) ? body[key] : undefined, rest, value),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

const MEMBERS = ['code', 'detail', 'instance', 'status', 'title', 'type'];

/** A refusal has one shape, names itself, and repeats nothing that helps a stranger. */
export function expectProblem(
  answer: { status: number; headers: Readonly<Record<string, unknown>>; body: AnyBody; text: string },
  status: number,
): void {
  expect([answer.status, answer.headers['content-type']]).toEqual([
    status,
    'application/problem+json; charset=utf-8',
  ]);
  const { errors, ...rest } = answer.body;
  for (const member of MEMBERS) expect(Object.keys(rest)).toContain(member);
  expect(rest.status).toBe(status);
  expect(rest.type).toBe(`urn:bellhop:problem:${rest.code}`);
  expect(rest.instance).toBe(answer.headers['x-request-id']);
  expect(Array.isArray(errors)).toBe(true);
  for (const error of errors) expect(Object.keys(error)).toEqual(['at', 'message']);
  expect(answer.text.isWellFormed()).toBe(true);
  expect(answer.text).not.toMatch(/\0|node_modules|\.ts:\d|at \w+ \(|Error:|select |postgres/i);
}

/** After all of it: the process still serves, and no request of the file was answered with 5xx. */
export async function expectUnharmed(api: TestApi): Promise<void> {
  expect((await api.call('GET', '/healthz')).status).toBe(200);
  expect((await api.call('GET', '/v1/users?limit=1')).status).toBe(200);
  const failures = api
    .logged()
    .split('\n')
    .filter((line) => /"status":5\d\d/.test(line) || /"level":(50|60)\b/.test(line));
  expect(failures).toEqual([]);
}
