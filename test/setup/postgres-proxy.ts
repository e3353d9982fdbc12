/**
 * Stands between a pool and PostgreSQL and can lose the acknowledgement of a commit: the server has committed, the client sees
 * its connection break instead of the answer. Knows just enough of the wire protocol to see statements and the ends of transactions.
 */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

export type PostgresProxy = {
  /** As the given one, through the proxy. */
  readonly url: string;
  /** The next commit after a statement whose text matches is made and not acknowledged. @returns how often that happened. */
  readonly loseCommitAfter: (statement: RegExp) => { readonly times: () => number };
  readonly close: () => Promise<void>;
};

type Rule = { readonly statement: RegExp; times: number };

export async function startPostgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let rule: Rule | null = null;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
    }
    /** The rule whose statement this connection has sent and not committed yet. */
    let armed: Rule | null = null;
    const requests = createSplitter({ hasStartup: true });
    const answers = createSplitter({ hasStartup: false });
    /** Texts of this connection's prepared statements: later uses carry the name only. */
    const prepared = new Map<string, string>();
    client.on('data', (chunk: Buffer) => {
      for (const message of requests(chunk))
        if (rule?.statement.test(textOf(message, prepared))) armed = rule;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      for (const { type, body } of answers(chunk)) {
        // Ready again, and in no transaction: what was armed is committed.
        if (armed === null || armed.times > 0 || type !== 'Z' || body.toString('latin1') !== 'I') continue;
        armed.times += 1;
        client.resetAndDestroy();
        upstream.destroy();
        return;
      }
      client.write(chunk);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    loseCommitAfter: (statement) => {
      const mine: Rule = { statement, times: 0 };
      rule = mine;
      return { times: () => mine.times };
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** What a message asks for. Parse is `name, text`; Bind is `portal, name, values`. */
function textOf({ type, body }: WireMessage, prepared: Map<string, string>): string {
  const text = body.toString('latin1');
  const [first = '', second = ''] = text.split('\0', 2);
  if (type === 'P' && first !== '') prepared.set(first, second);
  return type === 'B' ? (prepared.get(second) ?? '') : text;
}

type WireMessage = { readonly type: string; readonly body: Buffer };

/** Whole messages out of chunks that end anywhere. The client's first one has no type byte. */
function createSplitter({ hasStartup }: { hasStartup: boolean }): (chunk: Buffer) => readonly WireMessage[] {
  let rest: Buffer = Buffer.alloc(0);
  let isStartup = hasStartup;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const messages: WireMessage[] = [];
    for (;;) {
      const at = isStartup ? 0 : 1;
      if (rest.length < at + 4) return messages;
      const end = at + rest.readInt32BE(at);
      if (rest.length < end) return messages;
      messages.push({
        type: isStartup ? '' : String.fromCharCode(rest[0] ?? 0),
        body: rest.subarray(at + 4, end),
      });
      rest = rest.subarray(end);
      isStartup = false;
    }
  };
}
