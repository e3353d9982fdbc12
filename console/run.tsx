/** One run: what it is to do, what it waits for, and everything that happened, as it happens. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { memo, useMemo } from 'react';
import { isEndedRunStatus } from '../domain/statuses.ts';
import { call, read, readAll } from './api.ts';
import { Now } from './now.tsx';
import { Ago, Clock, Loading, Refusal, Status } from './parts.tsx';
import { Link } from './router.tsx';
import { firstLine } from './runs.tsx';
import type { Entry } from './timeline.ts';
import { toEntries } from './timeline.ts';
import { ToolCallEntry } from './tool-call.tsx';
import type { Message, Run, Session, ToolCall } from './types.ts';
import { useRunEvents } from './use-run-events.ts';
import { counted } from './words.ts';

export function RunView({ runId, session }: { readonly runId: string; readonly session: Session }) {
  const path = `/v1/runs/${encodeURIComponent(runId)}`;
  const { events, isLive } = useRunEvents(runId);
  const run = useQuery({
    queryKey: ['run', runId, 'head'],
    queryFn: () => read<Run>(path),
    placeholderData: keepPreviousData,
  });
  const messages = useQuery({
    queryKey: ['run', runId, 'messages'],
    queryFn: () => readAll<Message>(`${path}/messages`),
    placeholderData: keepPreviousData,
  });
  const entries = useMemo(() => toEntries(events), [events]);
  if (run.error && !run.data)
    return (
      <>
        <Link to="/runs" className="up">
          Runs
        </Link>
        <h1>This run cannot be shown</h1>
        <Refusal error={run.error} onRetry={() => void run.refetch()} />
      </>
    );
  if (!run.data) return <Loading rows={5} />;
  return (
    <article>
      <Link to="/runs" className="up">
        Runs
      </Link>
      <RunHead run={run.data} session={session} />
      <Now run={run.data} />
      <div className="over">
        <h2>What happened</h2>
        <span className="soft" role="status">
          {isLive || isEndedRunStatus(run.data.status)
            ? ''
            : 'The connection was lost; what is new will show once it is back.'}
        </span>
      </div>
      {entries.length === 0 && messages.data?.length === 0 ? (
        <p className="soft">Nothing yet. It waits for its turn, or for a worker to take it.</p>
      ) : null}
      <Timeline entries={entries} run={run.data} messages={messages.data ?? []} />
      {messages.error ? <Refusal error={messages.error} onRetry={() => void messages.refetch()} /> : null}
    </article>
  );
}

function RunHead({ run, session }: { readonly run: Run; readonly session: Session }) {
  const queryClient = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => call('POST', `/v1/runs/${encodeURIComponent(run.id)}/cancel`),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['run', run.id] }),
  });
  return (
    <header className="run-head">
      <h1>{firstLine(run.task)}</h1>
      <dl className="facts">
        <div>
          <dt>Status</dt>
          <dd aria-live="polite">
            <Status kind="run" status={run.status} />
          </dd>
        </div>
        <div>
          <dt>For</dt>
          <dd>
            <Link to={`/users/${encodeURIComponent(run.userId)}`}>{run.userId}</Link>
          </dd>
        </div>
        <div>
          <dt>Started</dt>
          <dd>
            <Ago time={run.createdAt} />
          </dd>
        </div>
        <div>
          <dt>Used</dt>
          <dd>
            {counted(run.usage.modelCalls, 'model call')}, {counted(run.usage.toolCalls, 'tool call')},{' '}
            {run.usage.inputTokens + run.usage.outputTokens} tokens
          </dd>
        </div>
      </dl>
      <details className="more-facts">
        <summary>Task and tools</summary>
        <pre tabIndex={0} role="region" aria-label="Task">
          {run.task}
        </pre>
        <p className="soft">{run.tools.join(', ')}</p>
        <p className="soft">Run {run.id}</p>
      </details>
      <p className="actions">
        {session.workflowUrl === null ? null : (
          <a href={session.workflowUrl + encodeURIComponent(run.workflowId)} target="_blank" rel="noreferrer">
            Open in Temporal<span className="visually-hidden"> (new tab)</span>
          </a>
        )}
        {isEndedRunStatus(run.status) ? null : (
          <button
            type="button"
            disabled={cancel.isPending || cancel.isSuccess}
            onClick={() => cancel.mutate()}
          >
            {cancel.isSuccess ? 'Cancelling …' : 'Cancel run'}
          </button>
        )}
      </p>
      <Refusal error={cancel.error} />
    </header>
  );
}

type TimelineProps = {
  readonly entries: readonly Entry[];
  readonly run: Run;
  readonly messages: readonly Message[];
};

const Timeline = memo(function Timeline({ entries, run, messages }: TimelineProps) {
  const calls = useMemo(
    () => new Map(run.toolCalls.map((toolCall) => [toolCall.id, toolCall])),
    [run.toolCalls],
  );
  const turns = useMemo(() => new Map(messages.map((message) => [message.turn, message])), [messages]);
  return (
    <ol className="timeline">
      {entries.map((entry) => (
        <TimelineEntry
          key={entry.key}
          entry={entry}
          runId={run.id}
          isOver={isEndedRunStatus(run.status)}
          toolCall={entry.kind === 'call' ? calls.get(entry.callId) : undefined}
          message={entry.kind === 'turn' ? turns.get(entry.turn) : undefined}
        />
      ))}
    </ol>
  );
});

type EntryProps = {
  readonly entry: Entry;
  readonly runId: string;
  readonly isOver: boolean;
  readonly toolCall: ToolCall | undefined;
  readonly message: Message | undefined;
};

const TimelineEntry = memo(function TimelineEntry({ entry, runId, isOver, toolCall, message }: EntryProps) {
  return (
    <li className={entry.kind === 'note' ? `note ${entry.tone}` : entry.kind}>
      <span className="when">
        <Clock time={entry.at} />
      </span>
      <div className="what">
        {entry.kind === 'note' ? entry.text : null}
        {entry.kind === 'turn' ? <Turn turn={entry.turn} content={message?.content ?? null} /> : null}
        {entry.kind === 'call' ? (
          <ToolCallEntry tool={entry.tool} toolCall={toolCall} runId={runId} isOver={isOver} />
        ) : null}
      </div>
    </li>
  );
});

function Turn({ turn, content }: { readonly turn: number; readonly content: string | null }) {
  return (
    <>
      <span className="label">Model, turn {turn}</span>
      {content === null || content === '' ? null : <p className="answer">{content}</p>}
    </>
  );
}
