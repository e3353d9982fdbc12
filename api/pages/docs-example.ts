/** A curl command for an operation, with example values where the schemas have them. */
import type { oas31 } from 'zod-openapi';
import type { OpenApiDocument } from '../openapi.ts';

type Schema = Exclude<oas31.SchemaObject, boolean>;

export function curlExample(
  document: OpenApiDocument,
  method: string,
  path: string,
  operation: oas31.OperationObject,
): string {
  const url = `${document.servers?.[0]?.url ?? ''}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => pathExample(operation, name))}`;
  const lines = [method === 'get' ? `curl "${url}"` : `curl -X ${method.toUpperCase()} "${url}"`];
  if (operation.security?.some((way) => 'apiKey' in way))
    lines.push(`-H "Authorization: Bearer $BELLHOP_API_KEY"`);
  const body = operation.requestBody && 'content' in operation.requestBody ? operation.requestBody : null;
  const schema = body?.content['application/json'];
  if (schema && 'schema' in schema) {
    lines.push(`-H 'Content-Type: application/json'`);
    const json = JSON.stringify(exampleOf(schema.schema as Schema, document));
    lines.push(`-d '${json.replaceAll("'", String.raw`'\''`)}'`);
  }
  return lines.join(' \\\n  ');
}

function pathExample(operation: oas31.OperationObject, name: string): string {
  const parameter = (operation.parameters ?? []).find(
    (p) => 'name' in p && p.name === name && p.in === 'path',
  );
  const schema = parameter && 'schema' in parameter ? (parameter.schema as Schema | undefined) : undefined;
  const example: unknown = schema?.example ?? schema?.examples?.[0];
  return typeof example === 'string'
    ? example
    : `$${name.replaceAll(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`;
}

/** The schema's own example, else one of its needed members. */
function exampleOf(schema: Schema, document: OpenApiDocument): unknown {
  if (schema.$ref) {
    const named = document.components?.schemas?.[schema.$ref.split('/').at(-1) ?? ''];
    return exampleOf((named ?? {}) as Schema, document);
  }
  const own: unknown = schema.example ?? schema.examples?.[0];
  if (own !== undefined) return own;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return exampleOf((schema.anyOf as Schema[])[0] ?? {}, document);
  if (schema.type === 'array') return [exampleOf((schema.items as Schema | undefined) ?? {}, document)];
  if (schema.type === 'string') return 'text';
  if (schema.type !== 'object') return schema.type === 'boolean' ? true : 1;
  const required = new Set(schema.required ?? []);
  return Object.fromEntries(
    Object.entries((schema.properties ?? {}) as Record<string, Schema>)
      .filter(([name]) => required.has(name))
      .map(([name, member]) => [name, exampleOf(member, document)]),
  );
}
