/** One request to the API as the routes see it, and readers for its query and body. No sockets here. */
import type { Json, JsonObject } from '../../domain/json.ts';
import { CONNECTION_STATUSES, type ConnectionStatus } from '../../domain/statuses.ts';
import type { SandboxState } from './state/sandbox-state.ts';
import { badRequest } from './wire-error.ts';

export type ApiRequest = {
  readonly version: 'v3' | 'v3.1';
  /** The variable segment of the path: a slug or an id. */
  readonly id: string;
  readonly query: URLSearchParams;
  readonly body: JsonObject;
};
export type Reply = { readonly status: number; readonly body: string };
export type Handler = (state: SandboxState, request: ApiRequest) => Reply;

export function json(status: number, value: unknown): Reply {
  return { status, body: JSON.stringify(value) };
}

/** Values of a list parameter, comma joined, repeated or with brackets; null when it was not given. */
export function listParam(query: URLSearchParams, name: string): readonly string[] | null {
  const given = [...query.getAll(name), ...query.getAll(`${name}[]`)];
  if (given.length === 0) return null;
  return given
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter(Boolean);
}

/** @throws WireError 400 for a word that is no status. */
export function statusesParam(query: URLSearchParams): readonly ConnectionStatus[] | null {
  const given = listParam(query, 'statuses');
  const unknown = given?.find((status) => !isConnectionStatus(status));
  if (unknown !== undefined) throw badRequest(`Invalid status: ${unknown}`);
  return given as readonly ConnectionStatus[] | null;
}

export function isConnectionStatus(text: unknown): text is ConnectionStatus {
  return (CONNECTION_STATUSES as readonly unknown[]).includes(text);
}

/** @throws WireError 400 unless it is a whole number from 1. */
export function limitParam(query: URLSearchParams, fallback: number): number {
  const given = query.get('limit');
  if (given === null || given === '') return fallback;
  const limit = Number(given);
  if (!Number.isInteger(limit) || limit < 1) throw badRequest('limit must be a positive integer');
  return limit;
}

/** @throws WireError 400 when the member is missing or not a non-empty string. */
export function requiredText(body: JsonObject, name: string): string {
  const value = body[name];
  if (typeof value !== 'string' || value === '') throw badRequest(`${name} is required`);
  return value;
}

export function optionalText(body: JsonObject, name: string): string | null {
  const value = body[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

export function memberObject(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

export function isJsonObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
