/** A JSON Schema as a table of its members: name, type, what it is. Nested objects are rows of their own, by path. */
import type { oas31 } from 'zod-openapi';
import type { Html } from './html.ts';
import { html } from './html.ts';

type Schema = Exclude<oas31.SchemaObject, boolean>;
type Row = { path: string; type: Html; required: boolean; description: string };

// Deeper than any body of ours, and an end for a schema that refers to itself.
const MAX_DEPTH = 5;

export function schemaTable(media: { schema?: unknown } | undefined): Html | null {
  const schema = media?.schema as Schema | undefined;
  if (!schema) return null;
  const rows = rowsOf(schema, '', 0);
  if (rows.length === 0) return html`<p class="schema">${typeOf(schema)}</p>`;
  return html`<table class="schema">
    <thead>
      <tr>
        <th scope="col">Member</th>
        <th scope="col">Type</th>
        <th scope="col">What</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            <th scope="row"><code>${row.path}</code>${row.required ? html` <em>needed</em>` : null}</th>
            <td>${row.type}</td>
            <td>
              ${row.description
                .split('`')
                .map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : html`${part}`))}
            </td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function rowsOf(schema: Schema, prefix: string, depth: number): Row[] {
  if (depth > MAX_DEPTH) return [];
  const required = new Set(schema.required ?? []);
  return Object.entries((schema.properties ?? {}) as Record<string, Schema>).flatMap(([name, member]) => {
    const path = `${prefix}${name}`;
    const inner = innerOf(member);
    return [
      { path, type: typeOf(member), required: required.has(name), description: describe(member) },
      ...(inner ? rowsOf(inner.schema, `${path}${inner.isList ? '[].' : '.'}`, depth + 1) : []),
    ];
  });
}

/** The object inside a member: itself, an item of a list, or the one that is not null. */
function innerOf(member: Schema): { schema: Schema; isList: boolean } | null {
  if (member.properties) return { schema: member, isList: false };
  const items = member.items as Schema | undefined;
  if (items?.properties) return { schema: items, isList: true };
  for (const option of (member.anyOf ?? []) as Schema[]) {
    const inner = innerOf(option);
    if (inner) return inner;
  }
  return null;
}

function describe(schema: Schema): string {
  const parts = [schema.description ?? ''];
  if (schema.default !== undefined) parts.push(`Default: \`${JSON.stringify(schema.default)}\`.`);
  return parts.filter(Boolean).join(' ');
}

function typeOf(schema: Schema): Html {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.enum) return html`${schema.enum.map((value: unknown) => JSON.stringify(value)).join(' | ')}`;
  if (schema.const !== undefined) return html`${JSON.stringify(schema.const)}`;
  const options = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
  if (options)
    return html`${options.flatMap((option, i) => (i === 0 ? [typeOf(option)] : [html` | `, typeOf(option)]))}`;
  if (schema.items) return html`list of ${typeOf(schema.items as Schema)}`;
  const type = Array.isArray(schema.type) ? schema.type.join(' | ') : (schema.type ?? 'anything');
  return html`${type}${schema.format ? ` (${schema.format})` : ''}`;
}
