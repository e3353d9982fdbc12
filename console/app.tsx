/** Who is signed in, the frame, and which view the address names. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { ApiError, call, read } from './api.ts';
import { AuditsView } from './audits.tsx';
import { DeliveriesView } from './deliveries.tsx';
import { Empty, Loading, Refusal } from './parts.tsx';
import { Link, navigate, useAddress } from './router.tsx';
import { endSession, SESSION } from './session.ts';
import { RunView } from './run.tsx';
import { RunsView } from './runs.tsx';
import { SignIn } from './sign-in.tsx';
import { TryItView } from './try-it.tsx';
import type { Session } from './types.ts';
import { UserView, UsersView } from './users.tsx';
import { YourNameProvider } from './your-name.tsx';

export function App() {
  const session = useQuery({
    queryKey: SESSION,
    queryFn: () => read<Session>('/console/session'),
    staleTime: Infinity,
  });
  if (session.data) return <Frame session={session.data} />;
  const isSignedOut = session.error instanceof ApiError && [401, 403].includes(session.error.status);
  return (
    <main className="narrow">
      {isSignedOut ? (
        <SignIn />
      ) : session.error ? (
        <>
          <h1>Console</h1>
          <Refusal error={session.error} onRetry={() => void session.refetch()} />
        </>
      ) : (
        <Loading />
      )}
    </main>
  );
}

const NAVIGATION = [
  ['/runs', 'Runs'],
  ['/users', 'Users'],
  ['/audits', 'Audits'],
  ['/deliveries', 'Deliveries'],
] as const;

function Frame({ session }: { readonly session: Session }) {
  const queryClient = useQueryClient();
  const address = useAddress();
  const links = session.tryIt ? [...NAVIGATION, ['/try', 'Try it'] as const] : NAVIGATION;
  useSignOutWhenRefused();
  useEffect(() => {
    if (address.pathname === '/') navigate(session.tryIt ? '/try' : '/runs', { replace: true });
  }, [address.pathname, session.tryIt]);
  const signOut = async () => {
    await call('DELETE', '/console/session').catch(() => undefined);
    await endSession(queryClient);
  };
  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <header className="bar">
        <strong>{session.brand}</strong>
        <nav aria-label="Console">
          <ul>
            {links.map(([path, name]) => (
              <li key={path}>
                <Link to={path} aria-current={address.pathname.startsWith(path) ? 'page' : undefined}>
                  {name}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <button type="button" className="plain" onClick={() => void signOut()}>
          Sign out
        </button>
      </header>
      <YourNameProvider>
        <Content session={session} address={address} />
      </YourNameProvider>
    </>
  );
}

function Content({ session, address }: { readonly session: Session; readonly address: URL }) {
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  // A new view begins where its heading is, for who reads by ear and for who goes on with Tab.
  useEffect(() => {
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [address.pathname]);
  const [, view = '', id = ''] = address.pathname.split('/').map(decodeURIComponent);
  const name = view === 'try' ? 'Try it' : NAVIGATION.find(([path]) => path === `/${view}`)?.[1];
  useEffect(() => {
    document.title = [id, name, session.brand].filter(Boolean).join(' · ');
  }, [id, name, session.brand]);
  return (
    <main id="main" ref={main} tabIndex={-1}>
      {view === 'runs' && id === '' ? <RunsView address={address} session={session} /> : null}
      {view === 'runs' && id !== '' ? <RunView key={id} runId={id} session={session} /> : null}
      {view === 'users' && id === '' ? <UsersView /> : null}
      {view === 'users' && id !== '' ? <UserView key={id} userId={id} /> : null}
      {view === 'audits' ? <AuditsView /> : null}
      {view === 'deliveries' ? <DeliveriesView address={address} /> : null}
      {view === 'try' && session.tryIt ? <TryItView session={session} /> : null}
      {view === '' || (name !== undefined && (view !== 'try' || session.tryIt)) ? null : <NoSuchPage />}
    </main>
  );
}

function NoSuchPage() {
  return (
    <Empty title="There is no such page" level={1}>
      <p>
        The address may have been mistyped. Begin at the <Link to="/runs">runs</Link>.
      </p>
    </Empty>
  );
}

/** The session is over, or its key was deleted: back to signing in, whatever was open. */
function useSignOutWhenRefused() {
  const queryClient = useQueryClient();
  useEffect(
    () =>
      queryClient.getQueryCache().subscribe(({ query }) => {
        const { error } = query.state;
        if (error instanceof ApiError && error.status === 401 && query.queryKey[0] !== SESSION[0])
          void endSession(queryClient);
      }),
    [queryClient],
  );
}
