/** An API key in exchange for a session. The key is kept by no script and in no storage. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, call } from './api.ts';
import { SESSION } from './session.ts';
import { Refusal } from './parts.tsx';
import type { Session } from './types.ts';

export function SignIn() {
  const queryClient = useQueryClient();
  const [key, setKey] = useState('');
  const signIn = useMutation({
    mutationFn: () => call<Session>('POST', '/console/session', { key: key.trim() }),
    onSuccess: (session) => queryClient.setQueryData(SESSION, session),
  });
  return (
    <>
      <h1>Console</h1>
      <p>Watch runs, decide what they ask, and look after connections.</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!signIn.isPending) signIn.mutate();
        }}
      >
        <label htmlFor="key">API key</label>
        <input
          id="key"
          type="password"
          autoComplete="current-password"
          required
          value={key}
          aria-describedby="key-help"
          onChange={(event) => setKey(event.target.value)}
        />
        <p className="soft" id="key-help">
          One with the scopes <code>operator</code> and <code>runs</code>, or <code>admin</code>. After{' '}
          <code>npm start</code>: the one in <code>.bellhop/api-key</code>.
        </p>
        <Refusal error={signIn.error && explain(signIn.error)} />
        <button type="submit" className="primary" disabled={signIn.isPending}>
          Sign in
        </button>
      </form>
    </>
  );
}

function explain(error: Error): Error {
  if (!(error instanceof ApiError)) return error;
  if (error.status === 401) return new Error('This key is not known. Copy it once more, or make a new one.');
  return error;
}
