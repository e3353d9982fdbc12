/** A real SMTP server in this process: keeps what it took, refuses as told. */
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';

export type TakenMail = {
  readonly from: string;
  readonly to: readonly string[];
  /** As it came, with its CRLF line ends. */
  readonly raw: string;
  /** Header fields by their lower-case names, unfolded, in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly isSecure: boolean;
  readonly user: string | null;
};
export type Refusal = { readonly at: 'from' | 'to' | 'data'; readonly code: number };
export type MailServer = {
  readonly port: number;
  readonly taken: readonly TakenMail[];
  readonly to: (address: string) => readonly TakenMail[];
  /** The next mails, one each. */
  readonly refuse: (...refusals: readonly Refusal[]) => void;
  /** From now on nothing is answered any more; `false`: answered again. */
  readonly hang: (isHanging: boolean) => void;
  readonly connections: () => number;
  readonly close: () => Promise<void>;
};

export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const taken: TakenMail[] = [];
  const refusals: Refusal[] = [];
  let isHanging = false;
  const answer = (at: Refusal['at'], done: (error?: Error | null) => void): void => {
    if (isHanging) return;
    const refusal = refusals[0];
    if (refusal?.at !== at) return done();
    refusals.shift();
    done(Object.assign(new Error('no, alice@example.com'), { responseCode: refusal.code }));
  };
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    disableReverseLookup: true,
    closeTimeout: 100,
    ...options,
    onMailFrom: (_address, _session, done) => answer('from', done),
    onRcptTo: (_address, _session, done) => answer('to', done),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () =>
        answer('data', (error) => {
          if (!error) taken.push(toMail(Buffer.concat(chunks).toString(), session));
          done(error);
        }),
      );
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.server.address() as AddressInfo).port,
    taken,
    to: (address) => taken.filter((mail) => mail.to.includes(address)),
    refuse: (...more) => void refusals.push(...more),
    hang: (now) => {
      isHanging = now;
    },
    connections: () => server.connections.size,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function toMail(raw: string, session: SMTPServerSession): TakenMail {
  const { mailFrom, rcptTo } = session.envelope;
  return {
    from: mailFrom ? mailFrom.address : '',
    to: rcptTo.map(({ address }) => address),
    raw,
    headers: headersOf(raw),
    isSecure: session.secure,
    user: typeof session.user === 'string' ? session.user : null,
  };
}

function headersOf(raw: string): ReadonlyMap<string, readonly string[]> {
  const head = raw.slice(0, raw.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
  const headers = new Map<string, string[]>();
  for (const line of head.split('\r\n')) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(line.indexOf(':') + 1).trim()]);
  }
  return headers;
}
