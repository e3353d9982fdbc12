/** One tool call: what it is, what became of it, its content folded, and what a person has to decide about it. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useId, useState } from 'react';
import { call } from './api.ts';
import { duration, Json, Refusal, Status } from './parts.tsx';
import type { ToolCall } from './types.ts';

type Props = {
  readonly tool: string;
  /** Undefined for a moment, until the run was read again. */
  readonly toolCall: ToolCall | undefined;
  readonly runId: string;
  readonly isOver: boolean;
  /** Whose session it is: who is said to have decided, unless they write another name. */
  readonly person: string;
};

export function ToolCallEntry({ tool, toolCall, runId, isOver, person }: Props) {
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
      {isAsking ? <Approval toolCall={toolCall} runId={runId} person={person} /> : null}
      {isUnknown ? <Resolution toolCall={toolCall} runId={runId} person={person} /> : null}
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

type DecisionProps = { readonly toolCall: ToolCall; readonly runId: string; readonly person: string };

function useDecision(runId: string, path: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: object) => call('POST', `/v1/runs/${encodeURIComponent(runId)}/${path}`, body),
    // Whether it held or somebody else was quicker: what is shown is read again.
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['run', runId] }),
  });
}

function Approval({ toolCall, runId, person }: DecisionProps) {
  const ids = useId();
  const decide = useDecision(runId, `approvals/${encodeURIComponent(toolCall.id)}`);
  const [approver, setApprover] = useState(person);
  const [reason, setReason] = useState('');
  const original = JSON.stringify(toolCall.arguments, null, 2) ?? '{}';
  const [edited, setEdited] = useState<string | null>(null);
  const [fault, setFault] = useState('');
  const isBusy = decide.isPending || decide.isSuccess;
  const approve = () => {
    if (edited === null || edited === original) return decide.mutate({ decision: 'approve', approver });
    const parsed = parseObject(edited);
    if (parsed === null) return setFault('This is not a JSON object. Mend it, or put the original back.');
    setFault('');
    decide.mutate({ decision: 'approve', approver, arguments: parsed });
  };
  return (
    <form
      className="decide"
      aria-label={`Decide ${toolCall.tool}`}
      onSubmit={(event) => event.preventDefault()}
    >
      <p>
        May this call be made?{' '}
        {toolCall.approval ? (
          <span className="soft">
            Undecided, it is denied <Deadline time={toolCall.approval.expiresAt} />.
          </span>
        ) : null}
      </p>
      {edited === null ? null : (
        <>
          <label htmlFor={`${ids}-edit`}>Arguments to use instead</label>
          <textarea
            id={`${ids}-edit`}
            rows={8}
            spellCheck={false}
            value={edited}
            onChange={(event) => setEdited(event.target.value)}
          />
        </>
      )}
      <div className="two">
        <div>
          <label htmlFor={`${ids}-who`}>Your name</label>
          <input
            id={`${ids}-who`}
            required
            maxLength={200}
            value={approver}
            onChange={(event) => setApprover(event.target.value)}
          />
        </div>
        <div>
          <label htmlFor={`${ids}-why`}>Reason, if you deny it</label>
          <input
            id={`${ids}-why`}
            maxLength={2_000}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        </div>
      </div>
      {fault === '' ? null : <Refusal error={new Error(fault)} />}
      <Refusal error={decide.error} />
      <p className="actions">
        <button
          type="button"
          className="primary"
          disabled={isBusy || approver.trim() === ''}
          onClick={approve}
        >
          {edited === null ? 'Approve' : 'Approve with changes'}
        </button>
        <button
          type="button"
          disabled={isBusy || approver.trim() === ''}
          onClick={() =>
            decide.mutate({ decision: 'deny', approver, ...(reason.trim() === '' ? {} : { reason }) })
          }
        >
          Deny
        </button>
        <button
          type="button"
          className="plain"
          disabled={isBusy}
          onClick={() => setEdited(edited === null ? original : null)}
        >
          {edited === null ? 'Change arguments' : 'Put the original back'}
        </button>
      </p>
    </form>
  );
}

function Deadline({ time }: { readonly time: string }) {
  const text = new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
  return <time dateTime={time}>on {text}</time>;
}

function parseObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function Resolution({ toolCall, runId, person }: DecisionProps) {
  const ids = useId();
  const resolve = useDecision(runId, `tool-calls/${encodeURIComponent(toolCall.id)}/resolution`);
  const [resolver, setResolver] = useState(person);
  const [result, setResult] = useState('');
  const isBusy = resolve.isPending || resolve.isSuccess;
  const settle = (outcome: 'done' | 'not_done') =>
    resolve.mutate({ outcome, resolver, ...(outcome === 'done' && result.trim() !== '' ? { result } : {}) });
  return (
    <form
      className="decide"
      aria-label={`Resolve ${toolCall.tool}`}
      onSubmit={(event) => event.preventDefault()}
    >
      <p>
        The call was sent, and no answer came back. Look it up at the provider: did it happen?{' '}
        <span className="soft">Until then nothing more is written there in this run.</span>
      </p>
      <div className="two">
        <div>
          <label htmlFor={`${ids}-who`}>Your name</label>
          <input
            id={`${ids}-who`}
            required
            maxLength={200}
            value={resolver}
            onChange={(event) => setResolver(event.target.value)}
          />
        </div>
        <div>
          <label htmlFor={`${ids}-what`}>If it did: what came of it</label>
          <input
            id={`${ids}-what`}
            maxLength={2_000}
            value={result}
            onChange={(event) => setResult(event.target.value)}
          />
        </div>
      </div>
      <Refusal error={resolve.error} />
      <p className="actions">
        <button type="button" disabled={isBusy || resolver.trim() === ''} onClick={() => settle('done')}>
          It happened
        </button>
        <button type="button" disabled={isBusy || resolver.trim() === ''} onClick={() => settle('not_done')}>
          It did not happen
        </button>
      </p>
    </form>
  );
}
