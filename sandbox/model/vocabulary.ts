/** The few words by which the planner tells what a task asks for and what a tool does. English, as the tool slugs are. */

export const ACTIONS = ['send', 'create', 'read', 'update', 'delete'] as const;
export type Action = (typeof ACTIONS)[number];

/** Words of a task. */
const TASK_VERBS: Readonly<Record<Action, readonly string[]>> = {
  send: [
    'send',
    'tell',
    'post',
    'say',
    'notify',
    'announce',
    'message',
    'ping',
    'write',
    'reply',
    'email',
    'mail',
    'inform',
    'let',
    'share',
    'dm',
    'publish',
    'remind',
    'forward',
  ],
  create: [
    'create',
    'open',
    'file',
    'add',
    'make',
    'raise',
    'schedule',
    'book',
    'draft',
    'put',
    'invite',
    'start',
    'insert',
  ],
  read: [
    'list',
    'show',
    'find',
    'search',
    'look',
    'check',
    'read',
    'fetch',
    'get',
    'what',
    'which',
    'who',
    'when',
    'how',
    'see',
    'count',
    'summarize',
    'summarise',
    'review',
    'query',
    'is',
    'are',
    'do',
    'does',
  ],
  update: ['update', 'change', 'edit', 'rename', 'close', 'assign', 'move', 'set', 'modify', 'mark'],
  delete: ['delete', 'remove', 'archive', 'trash', 'cancel'],
};
/** Words of a tool's slug; the same word may mean another thing there (`SLACK_OPEN_DM`). */
const SLUG_VERBS: Readonly<Record<Action, readonly string[]>> = {
  send: ['send', 'post', 'publish', 'reply', 'sends', 'forward'],
  create: ['create', 'add', 'insert', 'draft', 'quick', 'append'],
  read: ['list', 'get', 'fetch', 'search', 'find', 'read', 'retrieve', 'query', 'lookup', 'view', 'count'],
  update: ['update', 'patch', 'edit', 'modify', 'move', 'set', 'rename', 'close'],
  delete: ['delete', 'remove', 'archive', 'trash', 'cancel'],
};
/** Different words for one thing; each group is named by its first word. */
const SAME_THING: readonly (readonly string[])[] = [
  ['message', 'chat'],
  ['email', 'mail', 'inbox', 'gmail', 'e-mail'],
  ['issue', 'bug', 'ticket'],
  ['event', 'meeting', 'calendar', 'appointment', 'invite'],
  ['page', 'note', 'doc', 'document'],
  ['repo', 'repository'],
  ['pull', 'pr'],
  ['user', 'member', 'people', 'person'],
  ['history', 'conversation'],
];

const actionOfWord = (table: Readonly<Record<Action, readonly string[]>>): ReadonlyMap<string, Action> =>
  new Map(ACTIONS.flatMap((action) => table[action].map((word) => [word, action] as const)));
const TASK_ACTION = actionOfWord(TASK_VERBS);
const SLUG_ACTION = actionOfWord(SLUG_VERBS);
const THING = new Map(SAME_THING.flatMap((group) => group.map((word) => [word, group[0] ?? word] as const)));
/** Ask for something only beside another word, or at the very start. */
const QUESTION_VERBS: ReadonlySet<string> = new Set(['is', 'are', 'do', 'does']);
const COURTESY: ReadonlySet<string> = new Set([
  'please',
  'can',
  'could',
  'would',
  'you',
  'first',
  'then',
  'also',
  'finally',
  'next',
  'now',
  'and',
  'kindly',
  'just',
  'before',
  'after',
]);

export function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[a-z][a-z0-9-]*/g) ?? [];
}

/** One name for a thing in all its spellings: `tickets` and `issue` are both `issue`. */
export function thingOf(word: string): string {
  const singular = word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word;
  const stem = singular.length > 5 && singular.endsWith('ing') ? singular.slice(0, -3) : singular;
  return THING.get(singular) ?? THING.get(stem) ?? singular;
}

/** What a clause asks to do: its first verb. `tell me` and questions are reading. */
export function actionOfClause(clause: string): Action | null {
  const words = wordsOf(clause).filter((word) => !COURTESY.has(word));
  for (const [index, word] of words.entries()) {
    if (QUESTION_VERBS.has(word) && index > 0) continue;
    const next = words[index + 1];
    if (['tell', 'show', 'give', 'let'].includes(word) && (next === 'me' || next === 'us')) return 'read';
    const found = TASK_ACTION.get(word) ?? TASK_ACTION.get(word.replace(/(?:ing|s)$/, ''));
    if (found) return found;
  }
  return null;
}

export function startsWithVerb(text: string): boolean {
  const first = wordsOf(text).find((word) => !COURTESY.has(word));
  return first !== undefined && TASK_ACTION.has(first) && !QUESTION_VERBS.has(first);
}

/** What a tool does: the first verb in its slug. */
export function actionOfSlug(slug: string): Action | null {
  for (const word of slug.toLowerCase().split(/[_-]+/)) {
    const found = SLUG_ACTION.get(word);
    if (found) return found;
  }
  return null;
}

/** Verbs are weighed as actions, so they are no things. */
export function isSlugVerb(word: string): boolean {
  return SLUG_ACTION.has(word);
}
