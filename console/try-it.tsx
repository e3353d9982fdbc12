/** Starts a run for any user, for a first look: what a backend does with two requests. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { call, read } from './api.ts';
import { Refusal } from './parts.tsx';
import { navigate } from './router.tsx';
import type { Page, Run, Session, User } from './types.ts';

const EXAMPLES = [
  ['Post to Slack', 'Post "Hello from Bellhop" to #general on Slack', ['SLACK_SEND_MESSAGE'], 'none'],
  [
    'Mail, after approval',
    'Send an email to carol@example.com about the invoice',
    ['GMAIL_SEND_EMAIL'],
    'writes',
  ],
  [
    'Open an issue',
    'Create an issue "The build is red" in acme/site on GitHub',
    ['GITHUB_CREATE_AN_ISSUE'],
    'none',
  ],
] as const;

export function TryItView({ session }: { readonly session: Session }) {
  const users = useQuery({
    queryKey: ['try', 'users'],
    queryFn: () => read<Page<User>>('/v1/users?limit=100'),
  });
  const [userId, setUserId] = useState('alice');
  const [task, setTask] = useState<string>(EXAMPLES[0][1]);
  const [tools, setTools] = useState<string>(EXAMPLES[0][2].join(', '));
  const [approvals, setApprovals] = useState<'none' | 'writes'>('none');
  // A double click comes before anything that is rendered of the first one.
  const isStarting = useRef(false);
  const start = useMutation({
    mutationFn: async () => {
      await call('PUT', `/v1/users/${encodeURIComponent(userId.trim())}`, {});
      return await call<Run>('POST', '/v1/runs', {
        userId: userId.trim(),
        task,
        tools: tools.split(/[\s,]+/).filter((tool) => tool !== ''),
        approvals: { require: approvals },
      });
    },
    onError: () => {
      isStarting.current = false;
    },
    onSuccess: (run) => navigate(`/runs/${encodeURIComponent(run.id)}`),
  });
  return (
    <>
      <h1>Try it</h1>
      <p>
        Give a task to the agent of one of your users and watch it. The first time, it asks for the user’s
        account: open the connect page from the run and consent. {session.brand} then goes on by itself.
      </p>
      <div className="examples" role="group" aria-label="Examples">
        {EXAMPLES.map(([name, text, slugs, require]) => (
          <button
            key={name}
            type="button"
            aria-pressed={task === text}
            onClick={() => {
              setTask(text);
              setTools(slugs.join(', '));
              setApprovals(require);
            }}
          >
            {name}
          </button>
        ))}
      </div>
      <form
        className="try"
        onSubmit={(event) => {
          event.preventDefault();
          if (isStarting.current) return;
          isStarting.current = true;
          start.mutate();
        }}
      >
        <label htmlFor="for">User</label>
        <input
          id="for"
          list="users"
          required
          maxLength={128}
          value={userId}
          onChange={(event) => setUserId(event.target.value)}
          aria-describedby="for-help"
        />
        <datalist id="users">
          {users.data?.items.map((user) => (
            <option key={user.userId}>{user.userId}</option>
          ))}
        </datalist>
        <p className="soft" id="for-help">
          One of yours, or a new one.
        </p>
        <label htmlFor="task">Task</label>
        <textarea
          id="task"
          rows={3}
          required
          value={task}
          onChange={(event) => setTask(event.target.value)}
        />
        <label htmlFor="tools">Tools it may use</label>
        <input id="tools" required value={tools} onChange={(event) => setTools(event.target.value)} />
        <label htmlFor="approvals">Before something is written</label>
        <select
          id="approvals"
          value={approvals}
          onChange={(event) => setApprovals(event.target.value === 'writes' ? 'writes' : 'none')}
        >
          <option value="none">Go ahead</option>
          <option value="writes">Ask me</option>
        </select>
        <Refusal error={start.error} />
        <button type="submit" className="primary" disabled={start.isPending}>
          {start.isPending ? 'Starting …' : 'Start the run'}
        </button>
      </form>
    </>
  );
}
