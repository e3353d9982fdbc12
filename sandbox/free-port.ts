/**
 * Ports of what is embedded: free ones on 127.0.0.1. It reserves nothing: between the answer and its use another
 * process may take the port, so whoever binds it must still say so plainly when that fails.
 */
import type { Server } from 'node:net';
import { createServer } from 'node:net';

/** A port that nothing listens on; `wanted` when that one is free, else any. */
export async function findFreePort(wanted = 0): Promise<number> {
  const [port] = await findFreePorts([wanted]);
  if (port === undefined) throw new Error('no free port on 127.0.0.1');
  return port;
}

/** As findFreePort, for several at once: all are held until all are known, so that no two are the same. */
export async function findFreePorts(wanted: readonly number[]): Promise<number[]> {
  const servers: Server[] = [];
  try {
    const ports: number[] = [];
    for (const port of wanted) {
      const server = (await tryListen(port, '127.0.0.1')) ?? (await tryListen(0, '127.0.0.1'));
      if (server === null) throw new Error('no free port on 127.0.0.1');
      servers.push(server);
      ports.push(portOf(server));
    }
    return ports;
  } finally {
    await Promise.all(servers.map(close));
  }
}

/** Whether `port` can be bound on all addresses and on the loopback one. */
export async function isPortFree(port: number): Promise<boolean> {
  for (const host of [undefined, '127.0.0.1']) {
    const server = await tryListen(port, host);
    if (server === null) return false;
    await close(server);
  }
  return true;
}

function tryListen(port: number, host: string | undefined): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, exclusive: true, ...(host === undefined ? {} : { host }) }, () => resolve(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return address.port;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
