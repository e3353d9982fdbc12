/** Control routes for fault rules and barriers. */
import { isJsonObject } from './api-request.ts';
import type { ControlAnswer, ControlCall } from './control-call.ts';
import type { NewFault } from './faults/fault.ts';
import { badRequest } from './wire-error.ts';

const ACTION_TYPES: readonly NewFault['action']['type'][] = [
  'latency',
  'status',
  'hang',
  'reset',
  'hold',
  'malformed',
  'trickle',
  'huge',
  'gzip_bomb',
  'unsuccessful',
  'redirect',
];

export function faultRoutes({ state, method, segments, body }: ControlCall): ControlAnswer {
  const [group, id, action] = segments;
  if (group === 'barriers') {
    if (method === 'GET' && id === undefined) return { status: 200, value: state.barriers.state() };
    if (method === 'POST' && id !== undefined && action === 'release') {
      return { status: 200, value: { released: state.barriers.release(id) } };
    }
    if (method === 'POST' && id !== undefined && action === 'close') {
      state.barriers.close(id);
      return { status: 200, value: { closed: true } };
    }
  }
  if (group !== 'faults') return undefined;
  if (id !== undefined) {
    return method === 'DELETE' ? { status: 200, value: { removed: state.faults.remove(id) } } : undefined;
  }
  if (method === 'GET') return { status: 200, value: { items: state.faults.list() } };
  if (method === 'POST') return { status: 201, value: state.faults.add(checkedFault(body)) };
  if (method === 'DELETE') {
    state.faults.clear();
    return { status: 200, value: { removed: true } };
  }
  return undefined;
}

/** A fault with a misspelt type would silently do nothing, and its test would pass for the wrong reason. */
function checkedFault(body: unknown): NewFault {
  if (!isJsonObject(body) || !isJsonObject(body['action'])) throw badRequest('a fault needs an action');
  const fault = body as unknown as NewFault;
  if (!ACTION_TYPES.includes(fault.action.type)) throw badRequest(`unknown fault ${fault.action.type}`);
  return fault;
}
