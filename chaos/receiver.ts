/** The integrator's receiver of notices: verifies each signature, notes each arrival in `notices.jsonl`, refuses a few at first. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { openJsonLines } from './log.ts';
import { createRandom } from './random.ts';

export type Arrival = {
  readonly at: number;
  readonly id: string;
  readonly type: string;
  readonly userId: string;
  readonly app: string | null;
  readonly runId: string | null;
  readonly accountId: string | null;
  /** What it was answered; anything but 204 is asked for again. */
  readonly answered: number;
};

export type Receiver = { readonly url: string; readonly secret: string; readonly close: () => Promise<void> };

/** Of first arrivals. The product asks again after 5 s; a second refusal would cost 5 minutes. */
const REFUSED_SHARE = 0.03;

export async function startReceiver(folder: string, seed: number): Promise<Receiver> {
  const random = createRandom(seed, 'receiver');
  const secret = `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64')}`;
  const verifier = new Webhook(secret);
  const lines = openJsonLines(folder, 'notices.jsonl');
  const refused = new Set<string>();
  const answerTo = (id: string): number => {
    if (refused.has(id) || !random.chance(REFUSED_SHARE)) return 204;
    refused.add(id);
    return 500;
  };
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const id = String(request.headers['webhook-id']);
      let answered = 401;
      try {
        const event = verifier.verify(body, request.headers as Record<string, string>) as Notice;
        answered = answerTo(id);
        const { userId, app = null, runId = null, accountId = null } = event.data;
        const arrival: Arrival = {
          at: Date.now(),
          id,
          type: event.type,
          userId,
          app,
          runId,
          accountId,
          answered,
        };
        lines.write(arrival);
      } catch (error) {
        lines.write({ at: Date.now(), id, type: 'unverified', answered, error: String(error) });
      }
      response.writeHead(answered).end();
    })().catch(() => response.destroy()); // the sender was killed in the middle of it
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/notices`,
    secret,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      lines.close();
    },
  };
}

type Notice = {
  readonly type: string;
  readonly data: {
    readonly userId: string;
    readonly app?: string;
    readonly runId?: string;
    readonly accountId?: string;
  };
};
