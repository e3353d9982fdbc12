/** From events, which hold ids only, to what a person reads: one entry per turn, call and wait. Pure. */
import type { RunEvent } from './types.ts';
import { appName, reasonOf } from './words.ts';

export type Entry = { readonly key: string; readonly at: string } & (
  | { readonly kind: 'note'; readonly text: string; readonly tone: 'calm' | 'good' | 'bad' | 'wait' }
  | { readonly kind: 'turn'; readonly turn: number }
  | { readonly kind: 'call'; readonly callId: string; readonly tool: string }
);

/** A call stands where it was first spoken of; what became of it is in the call itself. */
export function toEntries(events: readonly RunEvent[]): Entry[] {
  const entries: Entry[] = [];
  const calls = new Set<string>();
  for (const event of events) {
    const { at, callId } = event;
    const key = String(event.seq);
    if (callId !== undefined && (event.type.startsWith('tool.') || event.type.startsWith('approval.'))) {
      if (calls.has(callId)) continue;
      calls.add(callId);
      entries.push({ key, at, kind: 'call', callId, tool: event.tool ?? '' });
    } else if (event.type === 'model.completed') {
      entries.push({ key, at, kind: 'turn', turn: event.turn ?? 0 });
    } else {
      entries.push({ key, at, kind: 'note', ...noteOf(event) });
    }
  }
  return entries;
}

function noteOf({ type, app = '', reason = '', code }: RunEvent): {
  text: string;
  tone: 'calm' | 'good' | 'bad' | 'wait';
} {
  switch (type) {
    case 'run.started':
      return { text: 'The run began', tone: 'calm' };
    case 'connection.required':
      return { text: `Waits for ${appName(app)}: it ${reasonOf(reason)}`, tone: 'wait' };
    case 'connection.completed':
      return { text: `${appName(app)} was connected`, tone: 'good' };
    case 'run.completed':
      return { text: 'The run completed', tone: 'good' };
    case 'run.failed':
      return {
        text: `The run failed${code === undefined ? '' : `: ${code.replaceAll('_', ' ')}`}`,
        tone: 'bad',
      };
    case 'run.cancelled':
      return { text: 'The run was cancelled', tone: 'calm' };
    default:
      return { text: type, tone: 'calm' };
  }
}
