/**
 * Ports of what is embedded: a free one on 127.0.0.1, or a given one if it is free. It reserves nothing: between the
 * answer and its use another process may take the port, so whoever binds it must still say so plainly when that fails.
 */
import { createServer } from 'node:net';

/** A port that nothing listens on; `wanted` when that one is free, else any. */
export async function findFreePort(wanted = 0): Promise<number> {
  const port = await tryListen(wanted);
  if (port !== null) return port;
  const other = await tryListen(0);
  if (other === null) throw new Error('no free port on 127.0.0.1');
  return other;
}

/** Whether `port` can be bound on `host` (all addresses when not given, as the API binds it). */
export async function isPortFree(port: number, host?: string): Promise<boolean> {
  return (await tryListen(port, host)) !== null;
}

function tryListen(port: number, host: string | undefined = '127.0.0.1'): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : null));
    });
  });
}
