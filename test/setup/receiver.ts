/** The integrator's receiver of notices: keeps what came, answers as told. Verifies nothing by itself. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Received = {
  readonly headers: Readonly<Record<string, string>>;
  /** The exact text that was signed. */
  readonly text: string;
  readonly body: {
    readonly type: string;
    readonly timestamp: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
  readonly answered: number;
  /** Of performance.now. */
  readonly at: number;
};
export type Answer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly delayMs?: number;
  /** Nothing is answered before this. */
  readonly after?: Promise<unknown>;
};
export type Receiver = {
  readonly url: string;
  readonly received: readonly Received[];
  /** Notices of one user, oldest first, of one type when given. */
  readonly of: (userId: string, type?: string) => readonly Received[];
  /** Decides the answers to one user's notices: the first ones in order, then 200. */
  readonly answer: (userId: string, ...answers: readonly Answer[]) => void;
  /** What everybody else gets from now on. */
  readonly always: (answer: Answer) => void;
  /** The most that were being answered at the same time. */
  readonly mostAtOnce: () => number;
  readonly close: () => Promise<void>;
};

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const planned = new Map<string, Answer[]>();
  let otherwise: Answer = { status: 200 };
  let atOnce = 0;
  let mostAtOnce = 0;
  const server = createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const body = JSON.parse(text) as Received['body'];
      const answer = planned.get(String(body.data['userId']))?.shift() ?? otherwise;
      received.push({
        headers: request.headers as Record<string, string>,
        text,
        body,
        answered: answer.status,
        at: performance.now(),
      });
      atOnce += 1;
      // Also when the sender has given up.
      response.once('close', () => (atOnce -= 1));
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      if (answer.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, answer.delayMs));
      await answer.after;
      response.writeHead(answer.status, answer.headers).end();
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    of: (userId, type) =>
      received.filter(
        ({ body }) => body.data['userId'] === userId && (type === undefined || body.type === type),
      ),
    answer: (userId, ...answers) => void planned.set(userId, [...answers]),
    always: (answer) => {
      otherwise = answer;
    },
    mostAtOnce: () => mostAtOnce,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
