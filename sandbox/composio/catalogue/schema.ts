/** Short words for the JSON Schemas of the catalogue, in the dialect that Composio's tools use. */
import type { Json, JsonObject } from '../../../domain/json.ts';

const titled = (type: string, description: string, extra: JsonObject): JsonObject => ({
  type,
  description,
  ...extra,
});

export const text = (description: string, extra: JsonObject = {}): JsonObject =>
  titled('string', description, extra);
export const integer = (description: string, extra: JsonObject = {}): JsonObject =>
  titled('integer', description, extra);
export const flag = (description: string, extra: JsonObject = {}): JsonObject =>
  titled('boolean', description, extra);
export const list = (items: JsonObject, description: string, extra: JsonObject = {}): JsonObject =>
  titled('array', description, { items, ...extra });
export const choice = (values: readonly string[], description: string, extra: JsonObject = {}): JsonObject =>
  titled('string', description, { enum: values, ...extra });

export function object(
  title: string,
  properties: Readonly<Record<string, JsonObject>>,
  required: readonly string[] = [],
  extra: JsonObject = {},
): JsonObject {
  const named = Object.fromEntries(
    Object.entries(properties).map(([key, schema]) => [key, { title: titleOf(key), ...schema }]),
  );
  return { type: 'object', title, properties: named, ...(required.length > 0 ? { required } : {}), ...extra };
}

/** A file argument: the SDKs turn it into a local path to upload, which is why a careful caller refuses it. */
export const file = (description: string): JsonObject => ({
  ...object(
    'FileUploadable',
    {
      name: text('Name of the file.'),
      mimetype: text('MIME type of the file.'),
      s3key: text('Key of the uploaded file.'),
    },
    ['name', 'mimetype', 's3key'],
  ),
  description,
  file_uploadable: true,
});

/** Every tool answers in this envelope. */
export function output(properties: Readonly<Record<string, JsonObject>>): JsonObject {
  return object(
    'Response',
    {
      data: { ...object('Data', properties), description: 'Data from the action execution.' },
      error: text('Error if any occurred during the execution of the action.', { nullable: true }),
      successful: flag('Whether or not the action execution was successful or not.'),
    },
    ['data', 'successful'],
  );
}

function titleOf(key: string): string {
  return key.replaceAll('_', ' ').replace(/(^| )\w/g, (letter) => letter.toUpperCase());
}

/** The argument as a string, or the default; the schema check has been made before a tool runs. */
export function textOf(args: JsonObject, key: string, fallback = ''): string {
  const value = args[key];
  return typeof value === 'string' ? value : fallback;
}

export function numberOf(args: JsonObject, key: string, fallback: number): number {
  const value = args[key];
  return typeof value === 'number' ? value : fallback;
}

export function listOf(args: JsonObject, key: string): readonly Json[] {
  const value = args[key];
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
