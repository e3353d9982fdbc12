/**
 * A TCP proxy that goes wrong on purpose: one listening port before one or more targets. One fault at a time; without one it
 * passes bytes on. It knows nothing of protocols but words to look for.
 */
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import type { LinkFault } from './fault.ts';

export type FaultProxy = {
  readonly port: number;
  /** Where new connections go, in turn; a target that refuses is passed over. */
  readonly setTargets: (ports: readonly number[]) => void;
  readonly begin: (fault: LinkFault) => void;
  readonly end: () => void;
  readonly close: () => Promise<void>;
};

type Pair = {
  readonly client: Socket;
  upstream: Socket | null;
  /** Bytes of it were lost: it can never be right again. */
  isTorn: boolean;
  /** The next answer is to be lost. */
  isDoomed: boolean;
  answered: number;
  readonly lastDue: { up: number; down: number };
  /** Held back, the oldest first. */
  readonly held: { readonly up: Buffer[]; readonly down: Buffer[] };
};
type Direction = 'up' | 'down';

export async function startFaultProxy(targets: readonly number[] = []): Promise<FaultProxy> {
  const state = { fault: null as LinkFault | null, drops: 0, targets, turn: 0, pairs: new Set<Pair>() };

  const cut = (pair: Pair): void => {
    state.pairs.delete(pair);
    pair.client.resetAndDestroy();
    pair.upstream?.resetAndDestroy();
  };

  const pass = (pair: Pair, direction: Direction, chunk: Buffer): void => {
    const to = direction === 'up' ? pair.upstream : pair.client;
    if (to === null || to.destroyed) return;
    const { fault } = state;
    if (fault?.how === 'black-hole') {
      pair.isTorn = true;
      return;
    }
    if (direction === 'down') {
      if (pair.isDoomed) return cut(pair);
      pair.answered += chunk.length;
      if (fault?.how === 'cut-after' && pair.answered > fault.bytes) return cut(pair);
    } else if (fault?.how === 'drop-answer' && state.drops > 0 && chunk.includes(fault.to)) {
      state.drops -= 1;
      pair.isDoomed = true;
    }
    const due = Math.max(pair.lastDue[direction], Date.now() + (fault?.how === 'delay' ? fault.ms : 0));
    pair.lastDue[direction] = due;
    const held = pair.held[direction];
    if (held.length === 0 && due <= Date.now()) {
      to.write(chunk);
      return;
    }
    // What came later may not overtake what is still held back: two timers of one moment fire in any order, so each lets go the oldest.
    held.push(chunk);
    setTimeout(() => to.write(held.shift() ?? ''), Math.max(0, due - Date.now()));
  };

  const join = (pair: Pair, from: Socket, direction: Direction): void => {
    from.setNoDelay(true);
    from.on('data', (chunk) => pass(pair, direction, chunk));
    const other = (): Socket | null => (direction === 'up' ? pair.upstream : pair.client);
    from.on('end', () => {
      const wait = pair.lastDue[direction] - Date.now();
      if (wait <= 0) other()?.end();
      else setTimeout(() => other()?.end(), wait + 1);
    });
    from.on('error', () => cut(pair));
    from.on('close', () => {
      if (pair.client.destroyed && (pair.upstream?.destroyed ?? true)) state.pairs.delete(pair);
      else if (pair.lastDue[direction] <= Date.now()) other()?.end();
    });
    if (state.fault?.how === 'stall') from.pause();
  };

  const dial = (pair: Pair, tries: number): void => {
    const port = state.targets[state.turn % Math.max(1, state.targets.length)];
    state.turn += 1;
    if (port === undefined || tries === 0) return cut(pair);
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    upstream.once('error', () => {
      if (pair.upstream === null) dial(pair, tries - 1);
    });
    upstream.once('connect', () => {
      if (pair.client.destroyed) return upstream.destroy();
      pair.upstream = upstream;
      join(pair, upstream, 'down');
      join(pair, pair.client, 'up');
      if (state.fault?.how !== 'stall') pair.client.resume();
      return undefined;
    });
  };

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const pair: Pair = {
      client,
      upstream: null,
      isTorn: false,
      isDoomed: false,
      answered: 0,
      lastDue: { up: 0, down: 0 },
      held: { up: [], down: [] },
    };
    state.pairs.add(pair);
    client.once('error', () => cut(pair));
    if (state.fault?.how === 'refuse') return cut(pair);
    return dial(pair, Math.max(1, state.targets.length));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const end = (): void => {
    const was = state.fault;
    state.fault = null;
    for (const pair of state.pairs) {
      if (pair.isTorn) cut(pair);
      else if (was?.how === 'stall') {
        pair.upstream?.resume();
        if (pair.upstream !== null) pair.client.resume();
      }
    }
  };
  const begin = (fault: LinkFault): void => {
    end();
    if (fault.how === 'reset' || fault.how === 'refuse') for (const pair of state.pairs) cut(pair);
    if (fault.how === 'reset') return;
    state.fault = fault;
    if (fault.how === 'drop-answer') state.drops = fault.times;
    for (const pair of state.pairs) {
      pair.answered = 0;
      if (fault.how === 'stall') {
        pair.client.pause();
        pair.upstream?.pause();
      }
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    setTargets: (ports) => {
      state.targets = ports;
    },
    begin,
    end,
    close: () => closeServer(server, () => state.pairs.forEach(cut)),
  };
}

function closeServer(server: Server, cutAll: () => void): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    cutAll();
  });
}
