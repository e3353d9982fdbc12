/**
 * Plans a task with the offered tools: which calls, in which order. It reads words, not meaning: enough to make a run look
 * and behave like one with a real model, always the same way for the same task. Pure.
 */
import type { OfferedTool } from './chat-request.ts';
import { type Details, maskQuotes, readDetails } from './details.ts';
import {
  type Action,
  actionOfClause,
  actionOfSlug,
  isSlugVerb,
  startsWithVerb,
  thingOf,
  wordsOf,
} from './vocabulary.ts';

export type PlannedCall = {
  readonly tool: OfferedTool;
  readonly details: Details;
  readonly usesFindings: boolean;
};
/** Calls of one step are made at once; the next step sees their results. */
export type PlanStep = readonly PlannedCall[];

/** A verb alone (3 points) does not make a tool fit: "send" is in half of all slugs. */
const FIT = 4;
/** The clause speaks of what was found before. */
const FINDINGS =
  /\b(?:summary|summari[sz]e|results?|findings|what you (?:find|found|see|learn)|how many|list of|latest|newest|them|those|these)\b|\b(?:post|send|share|e-?mail|forward|report)\s+(?:it|this|that)\b(?!\s+\w+s\b)|\b(?:tell|let)\b.*\b(?:what|which|who|whether)\b/i;
/** From here on a clause says what must be found out before it can be told. */
const ASKED = /\b(?:what|which|who|how many|summary of|list of|latest|newest)\b[\s\S]*/i;

export function planTask(task: string, tools: readonly OfferedTool[]): readonly PlanStep[] {
  if (tools.length === 0) return [];
  const clauses = orderClauses(joinUnfit(splitClauses(task), tools));
  const steps: PlanStep[] = [];
  for (const clause of clauses) {
    const hasRead = steps.some((step) => step.some((call) => !isWrite(call.tool)));
    steps.push(...planClause(clause, tools, hasRead));
  }
  return steps.length > 0 ? steps : planAnything(task, tools);
}

/** Nothing fits well. A tool that does the kind of thing that is asked is still a better guess than none. */
function planAnything(task: string, tools: readonly OfferedTool[]): readonly PlanStep[] {
  const action = actionOfClause(task);
  if (action === null || (action === 'read' && tools.length > 1)) return [];
  const tool = pickTool(task, tools, tools.length === 1 ? 0 : 1);
  return tool ? fanOut(tool, task) : [];
}

function planClause(clause: string, tools: readonly OfferedTool[], hasRead: boolean): readonly PlanStep[] {
  const tool = pickTool(clause, tools, FIT);
  if (!tool) return [];
  const source = isWrite(tool) && !hasRead ? pickSource(clause, tool, tools) : null;
  return source ? [...fanOut(source, clause), ...fanOut(tool, clause)] : fanOut(tool, clause);
}

/** "Tell #general what the open issues are": something has to be read before it can be told. */
function pickSource(clause: string, sink: OfferedTool, tools: readonly OfferedTool[]): OfferedTool | null {
  const asked = ASKED.exec(maskQuotes(clause))?.[0].replace(/#[\w-]+|[\w.+-]+@[\w.-]+/g, ' ');
  if (asked === undefined || !FINDINGS.test(maskQuotes(clause))) return null;
  const readers = tools.filter((tool) => tool !== sink && !isWrite(tool));
  return pickTool(`show ${asked}`, readers, FIT);
}

function isWrite(tool: OfferedTool): boolean {
  return actionOfSlug(tool.name) !== 'read';
}

function pickTool(clause: string, tools: readonly OfferedTool[], least: number): OfferedTool | null {
  let best: { tool: OfferedTool; score: number } | null = null;
  for (const tool of tools) {
    const score = scoreTool(clause, tool, tools);
    if (score >= least && (!best || score > best.score)) best = { tool, score };
  }
  return best?.tool ?? null;
}

function scoreTool(clause: string, tool: OfferedTool, tools: readonly OfferedTool[]): number {
  const details = readDetails(clause);
  const words = wordsOf(maskQuotes(clause));
  const things = new Set(words.map(thingOf));
  const [app = '', ...rest] = tool.name.toLowerCase().split(/[_-]+/);
  const hits = new Set(
    rest
      .filter((word) => !isSlugVerb(word))
      .map(thingOf)
      .filter((thing) => things.has(thing)),
  ).size;
  const properties = Object.keys(readProperties(tool)).join(' ');
  const described = new Set(
    wordsOf(tool.description).filter((word) => word.length > 3 && words.includes(word)),
  ).size;

  let score = scoreAction(actionOfClause(clause), actionOfSlug(tool.name));
  score += hits === 0 ? 0 : 2 + Math.min(hits, 3);
  score += Math.min(described, 4) * 0.25;
  const squeezed = words.join('');
  if (squeezed.includes(app)) score += 3;
  else if (tools.some((other) => squeezed.includes(other.name.toLowerCase().split(/[_-]+/)[0] ?? app)))
    score -= 2;
  // "Tell #x …" is about where it goes; "… of #x" is only one word among others.
  const goal = actionOfClause(clause) === 'send' && actionOfSlug(tool.name) === 'send' ? 5 : 3;
  if (details.channels.length > 0 && /channel/.test(properties)) score += goal;
  if (details.emails.length > 0 && /e-?mail|recipient|\bto\b|attendee/.test(properties)) score += goal;
  if (details.repo && /\brepo/.test(properties)) score += 3;
  return score;
}

function scoreAction(asked: Action | null, done: Action | null): number {
  if (asked === null || done === null) return 0;
  if (asked === done) return 3;
  // Posting and creating are often the same thing; reading for writing, or deleting for anything, never is.
  return (asked === 'send' && done === 'create') || (asked === 'create' && done === 'send') ? 1 : -4;
}

/** One call, or one for each channel, address or quoted title that the clause names. */
function fanOut(tool: OfferedTool, clause: string): readonly PlanStep[] {
  const details = readDetails(clause);
  const usesFindings = isWrite(tool) && FINDINGS.test(maskQuotes(clause)) && details.quoted.length === 0;
  const properties = readProperties(tool);
  const scalar = (pattern: RegExp): boolean =>
    Object.entries(properties).some(
      ([name, schema]) => pattern.test(name) && (schema as { type?: unknown }).type !== 'array',
    );
  const each = (list: readonly Partial<Details>[]): readonly PlanStep[] => [
    list.map((part) => ({ tool, details: { ...details, ...part }, usesFindings })),
  ];
  if (details.channels.length > 1 && scalar(/channel/))
    return each(details.channels.map((name) => ({ channels: [name] })));
  if (details.emails.length > 1 && scalar(/recipient|^to$|email/) && isWrite(tool)) {
    return each(details.emails.map((email) => ({ emails: [email] })));
  }
  if (
    details.quoted.length > 1 &&
    /\b(?:issues|tickets|pages|events|messages|emails|notes)\b/i.test(maskQuotes(clause))
  ) {
    return each(details.quoted.map((text) => ({ quoted: [text], text, subject: text })));
  }
  return each([{}]);
}

function readProperties(tool: OfferedTool): Readonly<Record<string, unknown>> {
  const properties = tool.parameters['properties'];
  return typeof properties === 'object' && properties !== null ? (properties as Record<string, unknown>) : {};
}

type Piece = { readonly separator: string; readonly text: string };

/** Cuts at sentence ends and line breaks, and at "and", "then" and commas where a verb follows. Never inside quotes. */
function splitClauses(list: string): readonly Piece[] {
  const task = list.replace(/^\s*(?:[-*]|\d+[.)])\s+/, '');
  const masked = maskQuotes(task);
  const cut =
    /[.;!?]\s+|\n+(?:\s*(?:[-*]|\d+[.)])\s+)?|,?\s+(?:(?:and|but)\s+)?(?:then|also|afterwards)[,\s]\s*|,?\s+(?:and|but)\s+|,\s+/g;
  const pieces: Piece[] = [];
  let from = 0;
  let separator = '';
  for (const match of masked.matchAll(cut)) {
    const next = masked.slice(match.index + match[0].length);
    const isSoft = /^,?\s|^,/.test(match[0]) && !match[0].includes('\n');
    if (isSoft && !startsWithVerb(next.slice(0, 60))) continue;
    pieces.push({ separator, text: task.slice(from, match.index) });
    from = match.index + match[0].length;
    separator = task.slice(match.index, from);
  }
  return [...pieces, { separator, text: task.slice(from) }].filter((piece) => piece.text.trim() !== '');
}

/** A piece that no tool fits belongs to the piece before it: it is more of what is to be said. */
function joinUnfit(pieces: readonly Piece[], tools: readonly OfferedTool[]): readonly string[] {
  const clauses: string[] = [];
  let isOpen = false;
  for (const piece of pieces) {
    const last = clauses.at(-1);
    const fits = pickTool(piece.text, tools, FIT) !== null;
    if (last === undefined || (fits && isOpen)) clauses.push(piece.text);
    else clauses[clauses.length - 1] = `${last}${piece.separator}${piece.text}`;
    isOpen ||= fits;
  }
  return clauses;
}

/** "… first" moves to the front, and what comes "before" something else changes places with it. */
function orderClauses(clauses: readonly string[]): readonly string[] {
  const ordered = [...clauses];
  for (let index = 0; index + 1 < ordered.length; index += 1) {
    const [one = '', two = ''] = [ordered[index], ordered[index + 1]];
    if (/^\W*before\b/i.test(one))
      ordered.splice(index, 2, two, one.replace(/^\W*before\s+(?:you\s+)?/i, ''));
  }
  const isFirst = (clause: string): boolean => /\bfirst\b[.!]?\s*$|^\W*first\b/i.test(maskQuotes(clause));
  return [...ordered.filter(isFirst), ...ordered.filter((clause) => !isFirst(clause))];
}
