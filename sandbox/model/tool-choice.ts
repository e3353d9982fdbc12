/** Which of the offered tools fits a clause best: by verb, by the things named, by the app, by what its parameters can hold. Pure. */
import type { OfferedTool } from './chat-request.ts';
import { type Details, maskQuotes, readDetails } from './details.ts';
import { type Action, actionOfClause, actionOfSlug, isSlugVerb, thingOf, wordsOf } from './vocabulary.ts';

/** A verb alone (3 points) does not make a tool fit: "send" is in half of all slugs. */
export const FIT = 4;

/** Slugs like `GITHUB_CREATE_AN_ISSUE_COMMENT` hold them. */
const FILLERS: ReadonlySet<string> = new Set([
  'a',
  'an',
  'the',
  'of',
  'for',
  'in',
  'to',
  'by',
  'and',
  'with',
  'from',
  'all',
]);

/** A clause with all that is asked of it more than once. */
export type Clause = {
  readonly details: Details;
  /** The text without what is quoted. */
  readonly asked: string;
  readonly words: ReadonlySet<string>;
  readonly things: ReadonlySet<string>;
  readonly squeezed: string;
  readonly action: Action | null;
};

type Traits = {
  readonly tool: OfferedTool;
  readonly app: string;
  readonly action: Action | null;
  readonly things: ReadonlySet<string>;
  readonly described: ReadonlySet<string>;
  readonly properties: string;
};

export function readClause(text: string): Clause {
  const asked = maskQuotes(text);
  const words = wordsOf(asked);
  return {
    details: readDetails(text),
    asked,
    words: new Set(words),
    things: new Set(words.map(thingOf)),
    squeezed: words.join(''),
    action: actionOfClause(text),
  };
}

export type ToolBox = {
  readonly size: number;
  /** The best of those that score at least `least`; of equals the one offered first. */
  pick(clause: Clause, least: number, isAllowed?: (tool: OfferedTool) => boolean): OfferedTool | null;
};

export function createToolBox(tools: readonly OfferedTool[]): ToolBox {
  const all = tools.map(readTraits);
  const apps = [...new Set(all.map((traits) => traits.app))];
  return {
    size: tools.length,
    pick(clause, least, isAllowed = () => true) {
      const named = new Set(apps.filter((app) => clause.squeezed.includes(app)));
      let best: { tool: OfferedTool; score: number } | null = null;
      for (const traits of all) {
        if (!isAllowed(traits.tool)) continue;
        const score = scoreTool(clause, traits, named);
        if (score >= least && (!best || score > best.score)) best = { tool: traits.tool, score };
      }
      return best?.tool ?? null;
    },
  };
}

export function isWrite(tool: OfferedTool): boolean {
  return actionOfSlug(tool.name) !== 'read';
}

export function readProperties(tool: OfferedTool): Readonly<Record<string, unknown>> {
  const properties = tool.parameters['properties'];
  return typeof properties === 'object' && properties !== null ? (properties as Record<string, unknown>) : {};
}

function readTraits(tool: OfferedTool): Traits {
  const [app = '', ...rest] = tool.name.toLowerCase().split(/[_-]+/);
  return {
    tool,
    app,
    action: actionOfSlug(tool.name),
    things: new Set(rest.filter((word) => !isSlugVerb(word) && !FILLERS.has(word)).map(thingOf)),
    described: new Set(wordsOf(tool.description).filter((word) => word.length > 3)),
    properties: Object.keys(readProperties(tool)).join(' '),
  };
}

function scoreTool(clause: Clause, traits: Traits, named: ReadonlySet<string>): number {
  const { details } = clause;
  const hits = countShared(traits.things, clause.things);
  const described = countShared(traits.described, clause.words);
  let score = scoreAction(clause.action, traits.action);
  score += hits === 0 ? 0 : 2 + Math.min(hits, 3);
  // A tool for more than was asked (`…_ISSUE_COMMENT`) comes after the one for just that.
  score -= Math.min(traits.things.size - hits, 3) * 0.5;
  score += Math.min(described, 4) * 0.25;
  if (named.has(traits.app)) score += 3;
  else if (named.size > 0) score -= 2;
  // "Tell #x …" is about where it goes; "… of #x" is only one word among others.
  const goal = clause.action === 'send' && traits.action === 'send' ? 5 : 3;
  if (details.channels.length > 0 && /channel/.test(traits.properties)) score += goal;
  if (details.emails.length > 0 && /e-?mail|recipient|\bto\b|attendee/.test(traits.properties)) score += goal;
  if (details.repo && /\brepo/.test(traits.properties)) score += 3;
  return score;
}

function countShared(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  let count = 0;
  for (const word of one) if (other.has(word)) count += 1;
  return count;
}

function scoreAction(asked: Action | null, done: Action | null): number {
  if (asked === null || done === null) return 0;
  if (asked === done) return 3;
  // Posting and creating are often the same thing; reading for writing, or deleting for anything, never is.
  return (asked === 'send' && done === 'create') || (asked === 'create' && done === 'send') ? 1 : -4;
}
