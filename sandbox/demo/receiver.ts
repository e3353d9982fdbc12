/** An integrator's receiver of notices: verifies each signature and keeps what it got. */
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

export type ReceivedNotice = {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
};
export type Receiver = {
  readonly url: string;
  readonly secret: string;
  readonly received: readonly ReceivedNotice[];
  /** Resolves with the first notice that matches. @throws Error after `timeoutMs`. */
  readonly waitFor: (isIt: (notice: ReceivedNotice) => boolean, timeoutMs: number) => Promise<ReceivedNotice>;
  readonly close: () => Promise<void>;
};

export async function startReceiver(): Promise<Receiver> {
  const secret = `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64')}`;
  const verifier = new Webhook(secret);
  const received: ReceivedNotice[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      try {
        const event = verifier.verify(body, request.headers as Record<string, string>) as {
          type: string;
          data: Record<string, unknown>;
        };
        received.push({ id: String(request.headers['webhook-id']), type: event.type, data: event.data });
        response.writeHead(204).end();
      } catch {
        response.writeHead(401).end();
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no address');
  return {
    url: `http://127.0.0.1:${address.port}/notices`,
    secret,
    received,
    waitFor: async (isIt, timeoutMs) => {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const notice = received.find(isIt);
        if (notice) return notice;
        if (Date.now() > deadline) throw new Error(`no such notice arrived within ${timeoutMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
