/**
 * Plans a task with the offered tools: which calls, in which order. It reads words, not meaning: enough to make a run look
 * and behave like one with a real model, always the same way for the same task. Pure.
 */
import type { OfferedTool } from './chat-request.ts';
import { type Details, maskQuotes } from './details.ts';
import {
  type Clause,
  FIT,
  type ToolBox,
  createToolBox,
  isWrite,
  readClause,
  readProperties,
} from './tool-choice.ts';
import { startsWithVerb } from './vocabulary.ts';

export type PlannedCall = {
  readonly tool: OfferedTool;
  readonly details: Details;
  readonly usesFindings: boolean;
};
/** Calls of one step are made at once; the next step sees their results. */
export type PlanStep = readonly PlannedCall[];

/** The clause speaks of what was found before. */
const FINDINGS =
  /\b(?:summary|summari[sz]e|results?|findings|what you (?:find|found|see|learn)|how many|list of|latest|newest|them|those|these)\b|\b(?:post|send|share|e-?mail|forward|report)\s+(?:it|this|that)\b(?!\s+\w+s\b)|\b(?:tell|let)\b.*\b(?:what|which|who|whether)\b/i;
/** From here on a clause says what must be found out before it can be told. */
const ASKED = /\b(?:what|which|who|how many|summary of|list of|latest|newest)\b[\s\S]*/i;

export function planTask(task: string, tools: readonly OfferedTool[]): readonly PlanStep[] {
  if (tools.length === 0) return [];
  const box = createToolBox(tools);
  const steps: PlanStep[] = [];
  for (const text of orderClauses(joinUnfit(splitClauses(task), box))) {
    const hasRead = steps.some((step) => step.some((call) => !isWrite(call.tool)));
    steps.push(...planClause(readClause(text), box, hasRead));
  }
  return steps.length > 0 ? steps : planAnything(readClause(task), box);
}

/** Nothing fits well. A tool that does the kind of thing that is asked is still a better guess than none. */
function planAnything(clause: Clause, box: ToolBox): readonly PlanStep[] {
  if (clause.action === null || (clause.action === 'read' && box.size > 1)) return [];
  const tool = box.pick(clause, box.size === 1 ? 0 : 1);
  return tool ? fanOut(tool, clause) : [];
}

function planClause(clause: Clause, box: ToolBox, hasRead: boolean): readonly PlanStep[] {
  const tool = box.pick(clause, FIT);
  if (!tool) return [];
  const source = isWrite(tool) && !hasRead ? pickSource(clause, box) : null;
  return source ? [...fanOut(source, clause), ...fanOut(tool, clause)] : fanOut(tool, clause);
}

/** "Tell #general what the open issues are": something has to be read before it can be told. */
function pickSource(clause: Clause, box: ToolBox): OfferedTool | null {
  const asked = ASKED.exec(clause.asked)?.[0].replace(/#[\w-]+|[\w.+-]+@[\w.-]+/g, ' ');
  if (asked === undefined || !FINDINGS.test(clause.asked)) return null;
  return box.pick(readClause(`show ${asked}`), FIT, (tool) => !isWrite(tool));
}

/** One call, or one for each channel, address or quoted title that the clause names. */
function fanOut(tool: OfferedTool, { details, asked }: Clause): readonly PlanStep[] {
  const usesFindings = isWrite(tool) && FINDINGS.test(asked) && details.quoted.length === 0;
  const properties = Object.entries(readProperties(tool));
  const isScalar = (pattern: RegExp): boolean =>
    properties.some(
      ([name, schema]) => pattern.test(name) && (schema as { type?: unknown }).type !== 'array',
    );
  const each = (list: readonly Partial<Details>[]): readonly PlanStep[] => [
    list.map((part) => ({ tool, details: { ...details, ...part }, usesFindings })),
  ];
  if (details.channels.length > 1 && isScalar(/channel/))
    return each(details.channels.map((name) => ({ channels: [name] })));
  if (details.emails.length > 1 && isScalar(/recipient|^to$|email/) && isWrite(tool)) {
    return each(details.emails.map((email) => ({ emails: [email] })));
  }
  if (details.quoted.length > 1 && /\b(?:issues|tickets|pages|events|messages|emails|notes)\b/i.test(asked)) {
    return each(details.quoted.map((text) => ({ quoted: [text], text, subject: text })));
  }
  return each([{}]);
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
function joinUnfit(pieces: readonly Piece[], box: ToolBox): readonly string[] {
  const clauses: string[] = [];
  let isOpen = false;
  for (const piece of pieces) {
    const last = clauses.at(-1);
    const fits = pieces.length > 1 && box.pick(readClause(piece.text), FIT) !== null;
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
