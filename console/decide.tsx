/** What a person has to decide about a call: may it be made; or, where no answer came back, did it happen. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useId, useRef, useState } from 'react';
import { call } from './api.ts';
import { Refusal } from './parts.tsx';
import type { ToolCall } from './types.ts';
import { useYourName } from './your-name.tsx';

type Props = { readonly toolCall: ToolCall; readonly runId: string };

/** As the API takes them. */
const MOST_OF_NAME = 200;
const MOST_OF_TEXT = 2_000;

export function Approval({ toolCall, runId }: Props) {
  const editId = useId();
  const decide = useDecision(runId, `approvals/${encodeURIComponent(toolCall.id)}`);
  const [reason, setReason] = useState('');
  const original = JSON.stringify(toolCall.arguments, null, 2) ?? '{}';
  const [edited, setEdited] = useState<string | null>(null);
  const [fault, setFault] = useState('');
  const approve = (approver: string) => {
    if (edited === null || edited === original) return decide.mutate({ decision: 'approve', approver });
    const parsed = parseObject(edited);
    if (parsed === null) return setFault('This is not a JSON object. Mend it, or put the original back.');
    setFault('');
    decide.mutate({ decision: 'approve', approver, arguments: parsed });
  };
  return (
    <DecisionForm
      name={`Decide ${toolCall.tool}`}
      question="May this call be made?"
      hint={
        toolCall.approval ? (
          <>
            Undecided, it is denied <Deadline time={toolCall.approval.expiresAt} />.
          </>
        ) : null
      }
      more={{ label: 'Reason, if you deny it', value: reason, onChange: setReason }}
      error={fault === '' ? decide.error : new Error(fault)}
      isBusy={decide.isPending || decide.isSuccess}
      choices={[
        { label: edited === null ? 'Approve' : 'Approve with changes', isPrimary: true, onChoose: approve },
        {
          label: 'Deny',
          onChoose: (approver) =>
            decide.mutate({ decision: 'deny', approver, ...(reason.trim() === '' ? {} : { reason }) }),
        },
      ]}
      aside={
        <button
          type="button"
          className="plain"
          disabled={decide.isPending || decide.isSuccess}
          onClick={() => {
            setFault('');
            setEdited(edited === null ? original : null);
          }}
        >
          {edited === null ? 'Change arguments' : 'Put the original back'}
        </button>
      }
    >
      {edited === null ? null : (
        <>
          <label htmlFor={editId}>Arguments to use instead</label>
          <textarea
            id={editId}
            rows={8}
            spellCheck={false}
            value={edited}
            onChange={(event) => setEdited(event.target.value)}
          />
        </>
      )}
    </DecisionForm>
  );
}

export function Resolution({ toolCall, runId }: Props) {
  const resolve = useDecision(runId, `tool-calls/${encodeURIComponent(toolCall.id)}/resolution`);
  const [result, setResult] = useState('');
  return (
    <DecisionForm
      name={`Resolve ${toolCall.tool}`}
      question="The call was sent, and no answer came back. Look it up at the provider: did it happen?"
      hint="Until then nothing more is written there in this run."
      more={{ label: 'If it did: what came of it', value: result, onChange: setResult }}
      error={resolve.error}
      isBusy={resolve.isPending || resolve.isSuccess}
      choices={[
        {
          label: 'It happened',
          onChoose: (resolver) =>
            resolve.mutate({ outcome: 'done', resolver, ...(result.trim() === '' ? {} : { result }) }),
        },
        {
          label: 'It did not happen',
          onChoose: (resolver) => resolve.mutate({ outcome: 'not_done', resolver }),
        },
      ]}
    />
  );
}

function useDecision(runId: string, path: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: object) => call('POST', `/v1/runs/${encodeURIComponent(runId)}/${path}`, body),
    // Whether it held or somebody else was quicker: what is shown is read again.
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['run', runId] }),
  });
}

type DecisionFormProps = {
  readonly name: string;
  readonly question: string;
  readonly hint: ReactNode;
  readonly more: {
    readonly label: string;
    readonly value: string;
    readonly onChange: (text: string) => void;
  };
  readonly error: unknown;
  readonly isBusy: boolean;
  readonly choices: readonly {
    readonly label: string;
    readonly isPrimary?: true;
    /** With the name of who decides. */
    readonly onChoose: (person: string) => void;
  }[];
  readonly aside?: ReactNode;
  readonly children?: ReactNode;
};

/** Nothing is decided by Enter in a field: a choice is always pressed itself. */
function DecisionForm({
  name,
  question,
  hint,
  more,
  error,
  isBusy,
  choices,
  aside,
  children,
}: DecisionFormProps) {
  const form = useRef<HTMLFormElement>(null);
  const [person, setPerson] = useYourName();
  return (
    <form ref={form} className="decide" aria-label={name} onSubmit={(event) => event.preventDefault()}>
      <p>
        {question} <span className="soft">{hint}</span>
      </p>
      {children}
      <div className="two">
        {/* The pattern: a name of blanks is none. */}
        <Field
          label="Your name"
          value={person}
          onChange={setPerson}
          maxLength={MOST_OF_NAME}
          pattern=".*\S.*"
          required
        />
        <Field {...more} maxLength={MOST_OF_TEXT} />
      </div>
      <Refusal error={error} />
      <p className="actions">
        {choices.map(({ label, isPrimary, onChoose }) => (
          <button
            key={label}
            type="button"
            className={isPrimary ? 'primary' : undefined}
            disabled={isBusy}
            onClick={() => {
              // The browser says what is missing, and goes there.
              if (form.current?.reportValidity()) onChoose(person.trim());
            }}
          >
            {label}
          </button>
        ))}
        {aside}
      </p>
    </form>
  );
}

type FieldProps = {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
  readonly maxLength: number;
  readonly pattern?: string;
  readonly required?: true;
};

function Field({ label, onChange, ...input }: FieldProps) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id}>{label}</label>
      <input id={id} {...input} onChange={(event) => onChange(event.target.value)} />
    </div>
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
