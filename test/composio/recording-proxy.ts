/** A forward proxy that tunnels to wherever it is asked and remembers where that was. */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';

export type RecordingProxy = { readonly url: string; readonly targets: string[]; close(): Promise<void> };

export async function createRecordingProxy(): Promise<RecordingProxy> {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  // A request that is no tunnel is recorded too, and gets nothing.
  const server = createServer((request, response) => {
    targets.push(request.url ?? '');
    response.writeHead(502).end();
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('connect', (request, client: Socket) => {
    const target = request.url ?? '';
    targets.push(target);
    const { hostname, port } = new URL(`http://${target}`);
    const upstream = connect(Number(port || 80), hostname, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    sockets.add(upstream);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    targets,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
