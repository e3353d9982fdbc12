/** Who plays: users with a canary each, and the tools their runs use. Names only; the checker reads the same names back. */

export type User = { readonly index: number; readonly id: string; readonly canary: string };

/** In every task and every argument of this user's runs, and the name of each of their accounts. */
export const canaryOf = (index: number): string => `canary-${String(index).padStart(4, '0')}-z`;
const CANARY = /canary-(\d{4})-z/g;

/** Unique per planned tool call: what makes an effect that happened twice visible. */
export const tokenOf = (user: number, run: number, call: number): string => `tk-${user}-${run}-${call}-z`;
const TOKEN = /tk-(\d+)-\d+-\d+-z/;

export const userIdOf = (index: number): string => `user-${String(index).padStart(4, '0')}`;

export function makeUsers(count: number): readonly User[] {
  return Array.from({ length: count }, (_, index) => ({
    index,
    id: userIdOf(index),
    canary: canaryOf(index),
  }));
}

/** The users whose canaries stand in a text. */
export function usersIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(CANARY)].map((match) => userIdOf(Number(match[1]))))];
}

/** The first token in a text, and whose it is. */
export function findToken(text: string): { token: string; user: string } | null {
  const match = TOKEN.exec(text);
  return match ? { token: match[0], user: userIdOf(Number(match[1])) } : null;
}

/** Connected for everybody at the start; the last app is connected by whoever needs it first. */
export const CONNECTED_APPS = ['slack', 'gmail', 'github', 'notion'] as const;
export const APPS = [...CONNECTED_APPS, 'googlecalendar'] as const;
export type App = (typeof APPS)[number];

export type ToolUse = {
  readonly slug: string;
  readonly app: App;
  readonly arguments: (words: string) => Readonly<Record<string, unknown>>;
};

export const WRITES: readonly ToolUse[] = [
  {
    slug: 'SLACK_SEND_MESSAGE',
    app: 'slack',
    arguments: (words) => ({ channel: 'general', markdown_text: words }),
  },
  {
    slug: 'GMAIL_SEND_EMAIL',
    app: 'gmail',
    arguments: (words) => ({ recipient_email: 'desk@example.com', body: words }),
  },
  {
    slug: 'GMAIL_CREATE_EMAIL_DRAFT',
    app: 'gmail',
    arguments: (words) => ({ recipient_email: 'desk@example.com', subject: 'Chaos', body: words }),
  },
  {
    slug: 'GITHUB_CREATE_ISSUE',
    app: 'github',
    arguments: (words) => ({ owner: 'hotel', repo: 'lobby', title: words }),
  },
  {
    slug: 'NOTION_CREATE_PAGE',
    app: 'notion',
    arguments: (words) => ({ parent_id: '59833787-2cf9-4fdf-8782-e53db20768a5', title: words }),
  },
  {
    slug: 'GOOGLECALENDAR_CREATE_EVENT',
    app: 'googlecalendar',
    arguments: (words) => ({ start_datetime: '2026-11-24T13:00:00', summary: words }),
  },
];

export const READS: readonly ToolUse[] = [
  // Its answer names the account, so a foreign account's canary would reach the model.
  { slug: 'SLACK_LIST_CHANNELS', app: 'slack', arguments: (words) => ({ cursor: words }) },
  { slug: 'GMAIL_FETCH_EMAILS', app: 'gmail', arguments: (words) => ({ query: words }) },
  { slug: 'NOTION_SEARCH', app: 'notion', arguments: (words) => ({ query: words }) },
];
