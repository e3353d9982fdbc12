/** Why a call's outcome is unknown: which fault, of those that can cause it, met the time in which the call was on its way. */
import type { Entry, FaultEntry } from '../entry.ts';
import type { CallRow } from '../evidence.ts';
import type { Record } from '../record.ts';

export type Explained = { readonly call: CallRow; readonly cause: string | null };

/** Clocks are one machine's; a line is written a moment after what it tells. */
const SLACK_MS = 1_500;
/** The request's deadline and the ledger's margin: so long may a cause be felt. */
const REACH_MS = 8_000;

/** A server is killed for its silence after so much of it (liveness.ts), and a probe more. */
const SILENCE_MS = 30_000;

type Span = { readonly from: number; readonly to: number; readonly cause: string };

export function explainUnknown(record: Record): readonly Explained[] {
  const spans = { lost: spansOfLoss(record.entries), wire: spansOfWire(record) };
  return record.calls
    .filter((call) => call.status === 'unknown')
    .map((call) => ({ call, cause: causeOf(call, spans) }));
}

function causeOf(call: CallRow, spans: { lost: readonly Span[]; wire: readonly Span[] }): string | null {
  const from = (call.startedAt ?? 0) - SLACK_MS;
  const to = (call.finishedAt ?? Infinity) + SLACK_MS;
  // The ledger's own words for a process that left none; everything else is an answer that was read, or that did not come.
  const isLoss = /worker was lost|run ended while/.test(call.error ?? '');
  const meets = (span: Span): boolean => span.from <= to && span.to >= from;
  return (isLoss ? spans.lost : spans.wire).find(meets)?.cause ?? null;
}

/** What may keep a process from writing the outcome. */
function spansOfLoss(entries: readonly Entry[]): readonly Span[] {
  const faults = faultSpans(entries, ({ fault }) => {
    if (fault.kind === 'freeze') return 'worker frozen';
    if (fault.kind === 'link' && /^worker-(postgres|temporal)$/.test(fault.link))
      return `${fault.link} ${fault.fault.how}`;
    return null;
  });
  const exits = entries
    .filter((entry) => entry.is === 'process')
    .filter(({ what, part }) => what === 'exit' && /^(worker|postgres|temporal)/.test(part))
    .map(({ at, part }): Span => ({
      from: at,
      to: at + REACH_MS,
      cause: part.startsWith('worker') ? 'worker ended' : `${part} killed`,
    }));
  const silences = entries
    .filter((entry) => entry.is === 'process')
    .filter(({ what }) => what === 'silent')
    .map(({ at, part }): Span => ({ from: at - SILENCE_MS, to: at + REACH_MS, cause: `${part} silent` }));
  return [...exits, ...faults, ...silences];
}

/** What may spoil a request or its answer. */
function spansOfWire({ entries, oddExecutions }: Record): readonly Span[] {
  const odd = oddExecutions.map((one): Span => {
    const at = Date.parse(one.at);
    return { from: at, to: at + REACH_MS, cause: `Composio answered oddly (${one.status ?? 'nothing'})` };
  });
  const faults = faultSpans(entries, ({ fault }) => {
    if (fault.kind === 'composio') return 'Composio faulty';
    return fault.kind === 'link' && fault.link === 'worker-composio'
      ? `${fault.link} ${fault.fault.how}`
      : null;
  });
  return [...faults, ...odd];
}

function faultSpans(
  entries: readonly Entry[],
  causeOf: (entry: FaultEntry) => string | null,
): readonly Span[] {
  const faults = entries.filter((entry) => entry.is === 'fault');
  const ends = new Map(faults.filter(({ phase }) => phase === 'end').map((entry) => [entry.n, entry.at]));
  return faults.flatMap((entry) => {
    const cause = entry.phase === 'begin' ? causeOf(entry) : null;
    if (cause === null) return [];
    return [{ from: entry.at, to: (ends.get(entry.n) ?? entry.at) + REACH_MS, cause }];
  });
}
