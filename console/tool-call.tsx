/** One tool call: what it is, what became of it, its content folded, and what a person has to decide about it (decide.tsx). */
import type { ReactNode } from 'react';
import { Approval, Resolution } from './decide.tsx';
import { duration, Json, Status } from './parts.tsx';
import type { ToolCall } from './types.ts';

type Props = {
  readonly tool: string;
  /** Undefined for a moment, until the run was read again. */
  readonly toolCall: ToolCall | undefined;
  readonly runId: string;
  readonly isOver: boolean;
};

export function ToolCallEntry({ tool, toolCall, runId, isOver }: Props) {
  if (!toolCall) return <span className="label">{tool}</span>;
  const { approval, startedAt, finishedAt } = toolCall;
  const isAsking = !isOver && approval?.status === 'requested' && toolCall.status === 'waiting';
  const isUnknown = !isOver && toolCall.status === 'unknown';
  const took = startedAt !== null && finishedAt !== null ? duration(startedAt, finishedAt) : null;
  return (
    <>
      <details open={isAsking || isUnknown ? true : undefined}>
        <summary>
          <code>{tool}</code> <Status kind="call" status={isAsking ? 'waiting' : toolCall.status} />
          {took === null ? null : <span className="soft"> {took}</span>}
        </summary>
        <Facts toolCall={toolCall} />
        <Json
          label={toolCall.editedArguments === undefined ? 'Arguments' : 'Arguments of the model'}
          value={toolCall.arguments}
        />
        <Json label="Arguments as approved" value={toolCall.editedArguments} />
        <Json label="Result" value={toolCall.result} />
      </details>
      {isAsking ? <Approval toolCall={toolCall} runId={runId} /> : null}
      {isUnknown ? <Resolution toolCall={toolCall} runId={runId} /> : null}
    </>
  );
}

const DECISIONS = {
  requested: 'Waits for a decision',
  approved: 'Approved',
  denied: 'Denied',
  expired: 'Not decided in time',
};

function Facts({ toolCall }: { readonly toolCall: ToolCall }) {
  const { approval, accountId, attempts, resolution } = toolCall;
  const facts: [string, ReactNode][] = [];
  if (accountId !== null) facts.push(['Account', <code key="account">{accountId}</code>]);
  if (attempts > 1) facts.push(['Attempts', attempts]);
  if (approval) facts.push(['Approval', DECISIONS[approval.status]]);
  if (resolution) facts.push(['Found out', resolution === 'done' ? 'It happened' : 'It did not happen']);
  if (facts.length === 0) return null;
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
