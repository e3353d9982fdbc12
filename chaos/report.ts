/** The printed report: counts first, then each violation. Markdown that also reads well in a terminal. */
import { KINDS } from './checks/violation.ts';
import type { Judgement } from './judge.ts';

/** More of one kind say nothing new; all of them are in report.json. */
const MAX_SHOWN = 20;

export function formatReport(judgement: Judgement): string {
  const { info, effects, kills, unknown, violations } = judgement;
  const sum = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((total, n) => total + n, 0);
  const unknownTotal = sum(unknown.explained) + unknown.unexplained.length;
  const lines = [
    `# Chaos, seed ${info.seed}, ${info.minutes} min${info.sabotage === '' ? '' : `, SABOTAGE=${info.sabotage}`}`,
    '',
    `\`${info.command}\``,
    '',
    '| | |',
    '|---|---|',
    `| effects | ${effects.writes + effects.reads} (${effects.writes} writes, ${effects.reads} reads) |`,
    `| kills | ${sum(kills)} (${list(kills)}) |`,
    `| other faults | ${sum(judgement.disturbances)} (${list(judgement.disturbances)}); ${judgement.skipped} of the schedule met nobody |`,
    `| restarts of a Temporal that had fallen silent | ${judgement.silent} |`,
    ...KINDS.map((kind) => `| ${LABELS[kind]} | ${judgement.found[kind]} |`),
    `| unknown | ${unknownTotal} (of them happened: ${unknown.happened}; unexplained: ${unknown.unexplained.length}) |`,
    `| runs | ${sum(judgement.runs)} (${list(judgement.runs)})${sum(judgement.errors) > 0 ? `; errors: ${list(judgement.errors)}` : ''} |`,
    `| tool calls | ${sum(judgement.calls)} (${list(judgement.calls)}) |`,
    `| model requests | ${judgement.modelRequests} |`,
    `| notices | ${judgement.notices.told} told in ${judgement.notices.arrivals} arrivals; ${judgement.notices.pending} still to come, ${judgement.notices.outdated} outdated before they were; ${judgement.episodes} broken connections told |`,
    `| came to rest in time | ${judgement.isSettled ? 'yes' : 'no'} |`,
    '',
    'Recovery, ms from the kill or the return of a server to the next activity or effect of any run:',
    '',
    '| part | from | n | p50 | p99 | max |',
    '|---|---|---|---|---|---|',
    ...judgement.recovery.map(
      (r) => `| ${r.part} | ${r.from} | ${r.count} | ${r.p50Ms} | ${r.p99Ms} | ${r.maxMs} |`,
    ),
    '',
    `Operations: ${list(judgement.operations)}.`,
    ...(unknownTotal > 0 ? ['', `Unknown, by cause: ${list(unknown.explained)}.`] : []),
    ...section('Unexplained', unknown.unexplained),
    ...KINDS.flatMap((kind) =>
      section(
        `Violations: ${LABELS[kind]}`,
        violations.filter((violation) => violation.kind === kind).map(({ what }) => what),
      ),
    ),
    '',
    violations.length === 0 ? 'Nothing was found.' : `**${violations.length} violations.**`,
    '',
  ];
  return lines.join('\n');
}

const LABELS = {
  duplicate: 'duplicates',
  'cross-user': 'cross-user',
  lost: 'lost',
  'wrong outcome': 'wrong outcomes',
  notice: 'wrong notices',
  'failed run': 'failed runs',
} as const satisfies Readonly<Record<(typeof KINDS)[number], string>>;

function list(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, n]) => `${name} ${n}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const more = lines.length - MAX_SHOWN;
  return [
    '',
    `## ${title}`,
    '',
    ...lines.slice(0, MAX_SHOWN).map((line) => `- ${line}`),
    ...(more > 0 ? [`- and ${more} more`] : []),
  ];
}
