/** All runs, newest first, by status and user. The filters are in the address. */
import type { FormEvent } from 'react';
import { RUN_STATUSES } from '../domain/statuses.ts';
import { Ago, Empty, Loading, More, Refusal, Status } from './parts.tsx';
import { Link, navigate } from './router.tsx';
import type { Run, Session } from './types.ts';
import { useList } from './use-list.ts';
import { wordsOf } from './words.ts';

export function RunsView({ address, session }: { readonly address: URL; readonly session: Session }) {
  const status = address.searchParams.get('status') ?? '';
  const userId = address.searchParams.get('userId') ?? '';
  const { query, items } = useList<Run>('/v1/runs', { status, userId });
  const show = (filters: { status: string; userId: string }) => {
    const set = Object.entries(filters).filter(([, value]) => value !== '');
    navigate(`/runs${set.length > 0 ? `?${new URLSearchParams(set).toString()}` : ''}`);
  };
  return (
    <>
      <h1>Runs</h1>
      <div className="filters">
        <div>
          <label htmlFor="status">Status</label>
          <select
            id="status"
            value={status}
            onChange={(event) => show({ status: event.target.value, userId })}
          >
            <option value="">All</option>
            {RUN_STATUSES.map((name) => (
              <option key={name} value={name}>
                {wordsOf('run', name)[0]}
              </option>
            ))}
          </select>
        </div>
        <form
          key={userId}
          role="search"
          onSubmit={(event: FormEvent<HTMLFormElement>) => {
            event.preventDefault();
            const value = new FormData(event.currentTarget).get('user');
            show({ status, userId: typeof value === 'string' ? value.trim() : '' });
          }}
        >
          <label htmlFor="user">User id</label>
          <input id="user" name="user" type="search" defaultValue={userId} maxLength={128} />
          <button type="submit">Show</button>
        </form>
      </div>
      <Refusal error={query.error} onRetry={() => void query.refetch()} />
      {items === null ? query.error ? null : <Loading rows={6} /> : null}
      {items?.length === 0 ? <NoRuns isFiltered={status !== '' || userId !== ''} session={session} /> : null}
      {items && items.length > 0 ? <RunRows runs={items} /> : null}
      <More query={query} />
    </>
  );
}

export function RunRows({ runs }: { readonly runs: readonly Run[] }) {
  return (
    <ul className="rows runs">
      {runs.map((run) => (
        <li key={run.id}>
          <Link to={`/runs/${encodeURIComponent(run.id)}`} className="task">
            {firstLine(run.task)}
          </Link>
          <Status kind="run" status={run.status} />
          <Link to={`/users/${encodeURIComponent(run.userId)}`} className="who">
            {run.userId}
          </Link>
          <span className="soft">
            <Ago time={run.createdAt} />
          </span>
        </li>
      ))}
    </ul>
  );
}

const SHOWN = 140;
export function firstLine(task: string): string {
  const line = task.trim().split('\n', 1)[0] ?? '';
  return line.length > SHOWN ? `${line.slice(0, SHOWN - 1)}…` : line;
}

const EXAMPLE = `curl -X POST ${window.location.origin}/v1/runs \\
  -H "Authorization: Bearer $BELLHOP_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"userId":"alice","task":"Post hello to #general on Slack","tools":["SLACK_SEND_MESSAGE"]}'`;

function NoRuns({ isFiltered, session }: { readonly isFiltered: boolean; readonly session: Session }) {
  if (isFiltered)
    return (
      <Empty title="No run fits">
        <p>
          Try another status or user, or <Link to="/runs">show all runs</Link>.
        </p>
      </Empty>
    );
  return (
    <Empty title="No runs yet">
      <p>
        A run is one task that an agent does for one of your users, with that user’s own accounts. Your
        backend starts one:
      </p>
      <pre tabIndex={0} role="region" aria-label="Example">
        {EXAMPLE}
      </pre>
      {session.tryIt ? (
        <p>
          Or <Link to="/try">start one here</Link>.
        </p>
      ) : null}
    </Empty>
  );
}
