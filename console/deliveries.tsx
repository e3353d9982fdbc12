/** What your server and your users were told, what of it arrived, and another try for what did not. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { call } from './api.ts';
import { Ago, Empty, Loading, More, Refusal, Status } from './parts.tsx';
import { Link, navigate } from './router.tsx';
import type { Delivery } from './types.ts';
import { useList } from './use-list.ts';
import { noticeName, wordsOf } from './words.ts';

const STATUSES = ['pending', 'delivered', 'failed', 'skipped'] as const;

export function DeliveriesView({ address }: { readonly address: URL }) {
  const status = address.searchParams.get('status') ?? '';
  const { query, items } = useList<Delivery>('/v1/deliveries', { status });
  return (
    <>
      <h1>Deliveries</h1>
      <div className="filters">
        <div>
          <label htmlFor="status">Status</label>
          <select
            id="status"
            value={status}
            onChange={(event) =>
              navigate(`/deliveries${event.target.value === '' ? '' : `?status=${event.target.value}`}`)
            }
          >
            <option value="">All</option>
            {STATUSES.map((name) => (
              <option key={name} value={name}>
                {wordsOf('delivery', name)[0]}
              </option>
            ))}
          </select>
        </div>
      </div>
      <Refusal error={query.error} onRetry={() => void query.refetch()} />
      {items === null && !query.error ? <Loading rows={4} /> : null}
      {items?.length === 0 && status !== '' ? (
        <Empty title="No delivery fits">
          <p>
            <Link to="/deliveries">Show all deliveries</Link>
          </p>
        </Empty>
      ) : null}
      {items?.length === 0 && status === '' ? (
        <Empty title="Nothing was sent yet">
          <p>
            Bellhop tells your server when a connection breaks or a run ends: set{' '}
            <code>BELLHOP_WEBHOOK_URL</code> and <code>BELLHOP_WEBHOOK_SECRET</code>. With{' '}
            <code>SMTP_URL</code> it also writes to your users.
          </p>
        </Empty>
      ) : null}
      <ul className="rows">
        {items?.map((delivery) => (
          <DeliveryRow key={delivery.id} delivery={delivery} />
        ))}
      </ul>
      <More query={query} />
    </>
  );
}

function DeliveryRow({ delivery }: { readonly delivery: Delivery }) {
  const queryClient = useQueryClient();
  const retry = useMutation({
    mutationFn: () => call('POST', `/v1/deliveries/${encodeURIComponent(delivery.id)}/retry`),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['list', '/v1/deliveries'] }),
  });
  const { userId, type, channel, status, attempts, lastError, createdAt } = delivery;
  return (
    <li>
      <span className="task">{noticeName(type)}</span>
      <Status kind="delivery" status={status} />
      <Link to={`/users/${encodeURIComponent(userId)}`} className="who">
        {userId}
      </Link>
      <span className="soft">
        {channel}, <Ago time={createdAt} />
        {attempts > 1 ? `, ${attempts} attempts` : ''}
        {status !== 'delivered' && lastError !== null ? `, last answer: ${lastError}` : ''}
      </span>
      {status === 'failed' || (status === 'pending' && attempts > 0) ? (
        <button type="button" disabled={retry.isPending} onClick={() => retry.mutate()}>
          Try again now
          <span className="visually-hidden">
            : {noticeName(type)} of {userId}
          </span>
        </button>
      ) : null}
      <Refusal error={retry.error} />
    </li>
  );
}
