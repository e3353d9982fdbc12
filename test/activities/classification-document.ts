/** docs/classification.md, made of the tables that decide. `npx vitest run test/activities/classification.test.ts -u` writes it anew. */
import { format } from 'prettier';
import { BAD_ANSWERS } from '../../activities/failures.ts';
import { DECISIONS, type Decision } from '../../activities/tool-verdict.ts';
import { type AnswerRow, ANSWER_ROWS, PURPOSES, TRANSPORT_KINDS } from '../../composio/classify.ts';
import { COMPOSIO_FAILURE_KINDS } from '../../composio/failure.ts';
import { KIND_OF_CODE, STATUS_ROWS } from '../../model/classify.ts';
import { MODEL_FAILURE_KINDS, ModelFailure } from '../../model/failure.ts';

const INTRODUCTION = `# What an answer means

Made of the tables in \`composio/classify.ts\`, \`activities/tool-verdict.ts\` and \`model/classify.ts\`; a test holds this page
equal to them and the tables total. One rule stands above all: **a write that left, and whose answer does not prove that
nothing was done, is \`unknown\`; it is never sent again**. A read is never \`unknown\`.

What is tried again is tried by Temporal's policy (1 s, doubling to a minute, for 24 hours), one request per attempt, and no
sooner than \`Retry-After\` says. An outage therefore parks runs and fails none; the time does not count as active time.`;

const DOINGS: Readonly<Record<Decision['do'], string>> = {
  retry: 'the same call again, later',
  fatal: 'the run ends as `internal`',
  tell_model: 'the call has `failed`; the model is told',
  needs_connection: 'the call waits for its connection',
};

export async function classificationDocument(): Promise<string> {
  const parts = [
    INTRODUCTION,
    '## Composio answered\n\nThe first row that fits counts.',
    table(
      ['status', 'and', ...PURPOSES, 'why'],
      ANSWER_ROWS.map((row) => [
        statuses(row),
        signal(row),
        ...PURPOSES.map((purpose) => `${row.verdicts[purpose].kind}, ${row.verdicts[purpose].outcome}`),
        row.why,
      ]),
    ),
    '## Composio did not answer\n\nA write whose request left is `unknown` in each of these.',
    table(
      ['reason', 'the request had not left', 'it had left, or may have'],
      Object.entries(TRANSPORT_KINDS).map(([reason, { notSent, sent }]) => [reason, notSent, sent]),
    ),
    '## What becomes of a tool call\n\nOf a write only when its outcome is not `unknown`.',
    table(
      ['kind', 'what follows'],
      COMPOSIO_FAILURE_KINDS.map((kind) => {
        const decision = DECISIONS[kind];
        return [
          kind,
          DOINGS[decision.do] + (decision.do === 'needs_connection' ? ` (${decision.reason})` : ''),
        ];
      }),
    ),
    `A tool that ran and said no (\`successful: false\`) has \`failed\`. Where its text, or its data's status, speaks of a
time-out, a broken connection or a 5xx, a write is \`unknown\`; where it says in whole words that the token is dead, the call
waits for its connection. \`composio/tool-error.ts\` has the words, \`test/composio/tool-error.test.ts\` the corpus.`,
    '## The model answered\n\nThe first row that fits counts.',
    table(
      ['status', 'body', 'kind'],
      STATUS_ROWS.map(({ from, to, isPage, kind }) => [
        from === to ? String(from) : `${from} to ${to}`,
        isPage ? 'a web page' : '',
        kind,
      ]),
    ),
    'In a 4xx these codes say more than the status:',
    table(
      ['code or type', 'kind'],
      Object.entries(KIND_OF_CODE).map(([code, kind]) => [`\`${code}\``, kind]),
    ),
    `A 200 that is no completion (a page, half a body, an error) is \`transient\`; a completion that says nothing readable is a
\`bad_answer\`. A connection that could not be made is \`unavailable\`, one that broke is \`transient\`.`,
    table(
      ['kind', 'what follows'],
      MODEL_FAILURE_KINDS.map((kind) => [kind, modelDoing(kind)]),
    ),
  ];
  return format(parts.join('\n\n'), { parser: 'markdown', printWidth: 110 });
}

function modelDoing(kind: (typeof MODEL_FAILURE_KINDS)[number]): string {
  if (kind === 'bad_answer')
    return `asked again; the run ends as \`model_error\` after ${BAD_ANSWERS} in a row`;
  if (new ModelFailure('', { kind }).retryable) return 'asked again, later';
  return `the run ends as \`${kind === 'refused' ? 'model_refused' : 'model_error'}\``;
}

function statuses(row: AnswerRow): string {
  return row.statuses
    .map((one) => (typeof one === 'number' ? String(one) : `${one[0]} to ${one[1]}`))
    .join(', ');
}

function signal({ named, isPage }: AnswerRow): string {
  if (isPage) return 'a web page';
  const { codes = [], slug, message } = named ?? {};
  const parts = [
    ...(codes.length > 0 ? [`code ${codes.join(', ')}`] : []),
    ...(slug ? [`slug \`${escape(slug.source)}\``] : []),
    ...(message ? [`text \`${escape(message.source)}\``] : []),
  ];
  return parts.join(' or ');
}

/** A bar ends a cell, in code too. */
function escape(text: string): string {
  return text.replaceAll('|', '\\|');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
