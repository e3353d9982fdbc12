/** Users, and one user with their connections and runs. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { call, read } from './api.ts';
import { Ago, Empty, Loading, More, Refusal, Status } from './parts.tsx';
import { Link, navigate } from './router.tsx';
import { RunRows } from './runs.tsx';
import type { Connection, Run, User } from './types.ts';
import { useList } from './use-list.ts';
import { appName } from './words.ts';

const pathOf = (userId: string): string => `/v1/users/${encodeURIComponent(userId)}`;

export function UsersView() {
  const { query, items } = useList<User>('/v1/users');
  return (
    <>
      <h1>Users</h1>
      <div className="filters">
        <form
          role="search"
          onSubmit={(event: FormEvent<HTMLFormElement>) => {
            event.preventDefault();
            const value = new FormData(event.currentTarget).get('user');
            if (typeof value === 'string' && value.trim() !== '')
              navigate(`/users/${encodeURIComponent(value.trim())}`);
          }}
        >
          <label htmlFor="user">User id</label>
          <input id="user" name="user" type="search" maxLength={128} />
          <button type="submit">Open</button>
        </form>
      </div>
      <Refusal error={query.error} onRetry={() => void query.refetch()} />
      {items === null && !query.error ? <Loading rows={6} /> : null}
      {items?.length === 0 ? (
        <Empty title="No users yet">
          <p>
            Your backend registers each of your users once, at sign-up:{' '}
            <code>PUT /v1/users/{'{userId}'}</code>. Their connections and runs are then found here.
          </p>
        </Empty>
      ) : null}
      {items && items.length > 0 ? (
        <ul className="rows">
          {items.map((user) => (
            <li key={user.userId}>
              <Link to={`/users/${encodeURIComponent(user.userId)}`} className="task">
                {user.displayName ?? user.userId}
              </Link>
              {user.displayName === null ? null : <span className="who">{user.userId}</span>}
              <span className="soft">{user.email ?? 'No mail address'}</span>
              <span className="soft">
                since <Ago time={user.createdAt} />
              </span>
            </li>
          ))}
        </ul>
      ) : null}
      <More query={query} />
    </>
  );
}

export function UserView({ userId }: { readonly userId: string }) {
  const user = useQuery({ queryKey: ['user', userId], queryFn: () => read<User>(pathOf(userId)) });
  const connections = useQuery({
    queryKey: ['connections', userId],
    queryFn: () => read<ConnectionList>(`${pathOf(userId)}/connections`),
    enabled: user.isSuccess,
  });
  const { items, query } = useList<Run>('/v1/runs', { userId });
  // All at once: what is read last stands above the rest.
  const isRead = user.isSuccess && !connections.isPending && items !== null;
  return (
    <>
      <Link to="/users" className="up">
        Users
      </Link>
      <h1>{user.data?.displayName ?? userId}</h1>
      <Refusal error={user.error} onRetry={() => void user.refetch()} />
      {isRead ? (
        <>
          <p className="soft">
            {[user.data.displayName === null ? null : userId, user.data.email].filter(Boolean).join(', ')}
          </p>
          <h2>Connections</h2>
          <Refusal error={connections.error} onRetry={() => void connections.refetch()} />
          {connections.data ? <Connections list={connections.data} userId={userId} /> : null}
          <h2>Runs</h2>
          {items.length === 0 ? <p className="soft">No run was started for this user yet.</p> : null}
          {items.length > 0 ? <RunRows runs={items} /> : null}
          <More query={query} />
        </>
      ) : user.error ? null : (
        <Loading rows={5} />
      )}
    </>
  );
}

type ConnectionList = { readonly items: readonly Connection[]; readonly stale?: true };

function Connections({ list, userId }: { readonly list: ConnectionList; readonly userId: string }) {
  return (
    <>
      {list.stale ? (
        <p className="panel wait">Composio does not answer: this is what was seen last.</p>
      ) : null}
      {list.items.length === 0 ? (
        <p className="soft">None yet. The first run that needs one asks the user to connect it.</p>
      ) : null}
      <ul className="rows">
        {list.items.map((connection) => (
          <ConnectionRow key={connection.accountId} connection={connection} userId={userId} />
        ))}
      </ul>
    </>
  );
}

function ConnectionRow({ connection, userId }: { readonly connection: Connection; readonly userId: string }) {
  const queryClient = useQueryClient();
  const drop = useMutation({
    mutationFn: () =>
      call('DELETE', `${pathOf(userId)}/connections/${encodeURIComponent(connection.accountId)}`),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['connections', userId] }),
  });
  const { app, status, accountId, connectedAt, waitingRuns } = connection;
  return (
    <li>
      <strong className="task">{appName(app)}</strong>
      <Status kind="connection" status={status} />
      <code className="who">{accountId}</code>
      <span className="soft">
        {connectedAt === null ? (
          'never connected'
        ) : (
          <>
            since <Ago time={connectedAt} />
          </>
        )}
        {waitingRuns.length === 0
          ? ''
          : `, ${waitingRuns.length === 1 ? 'a run waits' : `${waitingRuns.length} runs wait`} for it`}
      </span>
      <details className="confirm">
        <summary>
          Disconnect<span className="visually-hidden"> {accountId}</span>
        </summary>
        <p>The account is deleted at Composio. Runs that need it wait until the user connects another one.</p>
        <button type="button" className="danger" disabled={drop.isPending} onClick={() => drop.mutate()}>
          Yes, disconnect
        </button>
        <Refusal error={drop.error} />
      </details>
    </li>
  );
}
