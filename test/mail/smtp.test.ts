/** Mail by SMTP against a real server: what arrives, what a refusal means, and what a name can not do. */
import { afterEach, describe, expect, test } from 'vitest';
import { type Mail, MailFailure, type MailPort } from '../../mail/port.ts';
import { createSmtpMail } from '../../mail/smtp.ts';
import { type MailServer, startMailServer } from '../setup/mail-server.ts';
import { until } from '../setup/until.ts';

const FROM = 'Bellhop <no-reply@bellhop.example>';
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});
async function serve(options: Parameters<typeof startMailServer>[0] = {}): Promise<MailServer> {
  const server = await startMailServer(options);
  closers.push(() => server.close());
  return server;
}
function connect(url: string, options: { from?: string; timeoutMs?: number } = {}): MailPort {
  const mail = createSmtpMail({ url, from: FROM, ...options });
  closers.push(() => mail.close());
  return mail;
}
const mailTo = (to: Partial<Mail['to']> = {}, more: Partial<Mail> = {}): Mail => ({
  id: 'notice-1',
  to: { name: 'Alice', address: 'alice@example.com', ...to },
  subject: 'Please reconnect Slack',
  text: 'Hello\n',
  html: '<p>Hello</p>\n',
  date: new Date('2026-01-02T03:04:05Z'),
  ...more,
});
const failureOf = async (sending: Promise<void>): Promise<MailFailure> => {
  const error = await sending.then(() => null).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MailFailure);
  return error as MailFailure;
};

describe('a mail', () => {
  test('arrives as text and HTML, from and to whom it should, under an id of the sender’s domain', async () => {
    const server = await serve();
    await connect(`smtp://127.0.0.1:${server.port}`).send(mailTo());
    const [mail] = server.taken;
    expect(mail).toMatchObject({ from: 'no-reply@bellhop.example', to: ['alice@example.com'] });
    expect(Object.fromEntries(mail?.headers ?? [])).toMatchObject({
      from: ['Bellhop <no-reply@bellhop.example>'],
      to: ['Alice <alice@example.com>'],
      subject: ['Please reconnect Slack'],
      'message-id': ['<notice-1@bellhop.example>'],
      date: ['Fri, 02 Jan 2026 03:04:05 +0000'],
      'auto-submitted': ['auto-generated'],
    });
    expect(mail?.raw).toContain('text/plain');
    expect(mail?.raw).toContain('<p>Hello</p>');
  });

  test('sent twice has the same Message-ID', async () => {
    const server = await serve();
    const smtp = connect(`smtp://127.0.0.1:${server.port}`);
    await smtp.send(mailTo());
    await smtp.send(mailTo());
    expect(server.taken.map(({ headers }) => headers.get('message-id'))).toEqual([
      ['<notice-1@bellhop.example>'],
      ['<notice-1@bellhop.example>'],
    ]);
  });

  test.each([
    ['a name with line breaks', { name: 'Eve\r\nBcc: all@example.com\r\n\r\n<b>text</b>' }],
    ['a name with an address', { name: 'Eve <all@example.com>, "x' }],
    ['a name beyond ASCII', { name: 'Zoë 🎉\u2028Bcc: all@example.com' }],
    ['an address with a list', { address: 'alice@example.com, all@example.com' }],
    ['an address with line breaks', { address: 'alice@example.com\r\nBcc: all@example.com' }],
    ['an address with a command', { address: 'alice@example.com>\r\nRCPT TO:<all@example.com' }],
  ])('reaches nobody else and has no header more: %s', async (_name, to) => {
    const server = await serve();
    await connect(`smtp://127.0.0.1:${server.port}`)
      .send(mailTo(to))
      .catch((error: unknown) => expect(error).toBeInstanceOf(MailFailure));
    for (const mail of server.taken) {
      expect(mail.to).toHaveLength(1);
      expect(mail.to).not.toContain('all@example.com');
      expect([...mail.headers.keys()].toSorted()).toEqual(
        [
          'auto-submitted',
          'content-type',
          'date',
          'from',
          'message-id',
          'mime-version',
          'subject',
          'to',
        ].toSorted(),
      );
    }
  });

  test('has one subject line, whatever is in it', async () => {
    const server = await serve();
    const subject = 'Please\r\nBcc: all@example.com\r\n\r\nreconnect';
    await connect(`smtp://127.0.0.1:${server.port}`).send(mailTo({}, { subject }));
    expect(server.taken[0]?.headers.get('subject')).toHaveLength(1);
    expect(server.taken[0]?.headers.has('bcc')).toBe(false);
    expect(server.taken[0]?.to).toEqual(['alice@example.com']);
  });

  test('many at once go through a few connections, each once', async () => {
    const server = await serve();
    const smtp = connect(`smtp://127.0.0.1:${server.port}`);
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, server.connections())), 1);
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        smtp.send(mailTo({ address: `u${i}@example.com` }, { id: `n${i}` })),
      ),
    );
    clearInterval(watch);
    expect(new Set(server.taken.map(({ to }) => to[0])).size).toBe(100);
    expect(server.taken).toHaveLength(100);
    expect(most).toBeLessThanOrEqual(5);
  });
});

describe('the connection', () => {
  test('is encrypted by STARTTLS where the server offers it', async () => {
    const server = await serve({ disabledCommands: ['AUTH'] });
    await connect(`smtp://127.0.0.1:${server.port}?tls.rejectUnauthorized=false`).send(mailTo());
    expect(server.taken[0]?.isSecure).toBe(true);
  });

  test('with requireTLS sends nothing to a server that does not offer it', async () => {
    const server = await serve();
    const failure = await failureOf(
      connect(`smtp://127.0.0.1:${server.port}?requireTLS=true`).send(mailTo()),
    );
    expect(failure.isFinal).toBe(false);
    expect(server.taken).toEqual([]);
  });

  test('is encrypted from its first byte with smtps, and a certificate that nobody trusts is refused', async () => {
    const server = await serve({ secure: true, disabledCommands: ['AUTH'] });
    await connect(`smtps://127.0.0.1:${server.port}?tls.rejectUnauthorized=false`).send(mailTo());
    expect(server.taken[0]?.isSecure).toBe(true);
    const failure = await failureOf(connect(`smtps://127.0.0.1:${server.port}`).send(mailTo()));
    expect(failure.isFinal).toBe(false);
    expect(server.taken).toHaveLength(1);
  });

  test('logs in, and a wrong password is the operator’s to mend, not the mail’s end', async () => {
    const server = await serve({
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        username === 'bell' && password === 'h@p'
          ? done(null, { user: username })
          : done(Object.assign(new Error('no'), { responseCode: 535 })),
    });
    await connect(`smtp://bell:h%40p@127.0.0.1:${server.port}`).send(mailTo());
    expect(server.taken[0]?.user).toBe('bell');
    const failure = await failureOf(connect(`smtp://bell:wrong@127.0.0.1:${server.port}`).send(mailTo()));
    expect(failure).toMatchObject({ code: 'EAUTH', smtpStatus: 535, isFinal: false });
  });
});

describe('a refusal', () => {
  test.each([
    ['to', 550, true],
    ['to', 450, false],
    ['from', 553, true],
    ['from', 451, false],
    ['data', 554, true],
    ['data', 452, false],
    ['data', 421, false],
  ] as const)('of %s with %i is final: %s, and quotes nothing', async (at, code, isFinal) => {
    const server = await serve();
    const smtp = connect(`smtp://127.0.0.1:${server.port}`);
    server.refuse({ at, code });
    const failure = await failureOf(smtp.send(mailTo()));
    expect(failure).toMatchObject({ smtpStatus: code, isFinal });
    expect(failure.message).not.toContain('alice');
    await smtp.send(mailTo());
    expect(server.taken).toHaveLength(1);
  });

  test('by a server that is not there or hangs is not final, and comes in time', async () => {
    const gone = await startMailServer();
    await gone.close();
    expect(await failureOf(connect(`smtp://127.0.0.1:${gone.port}`).send(mailTo()))).toMatchObject({
      smtpStatus: null,
      isFinal: false,
    });
    const server = await serve();
    server.hang(true);
    const from = performance.now();
    const hung = await failureOf(
      connect(`smtp://127.0.0.1:${server.port}`, { timeoutMs: 800 }).send(mailTo()),
    );
    expect(hung).toMatchObject({ code: 'EABORT', smtpStatus: null, isFinal: false });
    expect(performance.now() - from).toBeLessThan(30_000);
    expect(server.taken).toEqual([]);
  });
});

test('closing ends the connections', async () => {
  const server = await serve();
  const smtp = createSmtpMail({ url: `smtp://127.0.0.1:${server.port}`, from: FROM });
  await smtp.send(mailTo());
  expect(server.connections()).toBe(1);
  smtp.close();
  await until('no connection', async () => server.connections() === 0);
});
