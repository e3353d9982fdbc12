/** Audits: looks at all users' connections for those that stopped working. Starts one, shows how far it is. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from './api.ts';
import { Ago, duration, Empty, Loading, More, Refusal, Status } from './parts.tsx';
import type { Audit } from './types.ts';
import { useList } from './use-list.ts';
import { counted } from './words.ts';

/** While one runs. */
const PROGRESS_MS = 1_000;
const REST_MS = 10_000;
const MODES = { users: 'All users', status: 'Broken accounts only' } as const;

export function AuditsView() {
  const [isRunning, setRunning] = useState(false);
  const { query, items } = useList<Audit>('/v1/audits', {}, isRunning ? PROGRESS_MS : REST_MS);
  const runs = items?.some(({ status }) => status === 'running') ?? false;
  if (items !== null && runs !== isRunning) setRunning(runs);
  return (
    <>
      <h1>Audits</h1>
      <p className="soft">
        An audit asks Composio which accounts stopped working, and tells each user once. One starts by itself
        several times a day.
      </p>
      <StartAudit isRunning={runs} />
      <Refusal error={query.error} onRetry={() => void query.refetch()} />
      {items === null && !query.error ? <Loading rows={4} /> : null}
      {items?.length === 0 ? (
        <Empty title="No audit yet">
          <p>Start one to see which connections of your users are broken, before a run finds out.</p>
        </Empty>
      ) : null}
      <ul className="rows audits">
        {items?.map((audit) => (
          <AuditRow key={audit.id} audit={audit} />
        ))}
      </ul>
      <More query={query} />
    </>
  );
}

function StartAudit({ isRunning }: { readonly isRunning: boolean }) {
  const queryClient = useQueryClient();
  const [mode, setMode] = useState<keyof typeof MODES>('users');
  const start = useMutation({
    mutationFn: () => call('POST', '/v1/audits', { mode }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['list', '/v1/audits'] }),
  });
  return (
    <form
      className="filters"
      onSubmit={(event) => {
        event.preventDefault();
        if (!start.isPending) start.mutate();
      }}
    >
      <div>
        <label htmlFor="mode">Look at</label>
        <select
          id="mode"
          value={mode}
          onChange={(event) => setMode(event.target.value as keyof typeof MODES)}
        >
          {Object.entries(MODES).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </div>
      <button type="submit" className="primary" disabled={isRunning || start.isPending}>
        {isRunning ? 'An audit is running' : 'Start an audit'}
      </button>
      <Refusal error={start.error} />
    </form>
  );
}

function AuditRow({ audit }: { readonly audit: Audit }) {
  const queryClient = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => call('POST', `/v1/audits/${encodeURIComponent(audit.id)}/cancel`),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['list', '/v1/audits'] }),
  });
  return (
    <li>
      <span className="task">
        <Ago time={audit.startedAt} />
      </span>
      <Status kind="audit" status={audit.status} />
      <span className="who">
        {audit.mode === 'users' ? `${counted(audit.usersScanned, 'user')} seen, ` : ''}
        {audit.broken} broken, {audit.notified} told
        {audit.skipped > 0 ? `, ${audit.skipped} could not be looked at` : ''}
      </span>
      <span className="soft">
        {MODES[audit.mode]}, {counted(audit.composioRequests, 'request')}
        {audit.finishedAt === null ? '' : `, ${duration(audit.startedAt, audit.finishedAt)}`}
      </span>
      {audit.status === 'running' ? (
        <button type="button" disabled={cancel.isPending || cancel.isSuccess} onClick={() => cancel.mutate()}>
          Cancel<span className="visually-hidden"> this audit</span>
        </button>
      ) : null}
    </li>
  );
}
