/** Mail by SMTP: a small pool of connections, made as they are needed. One send, one answer; nothing is tried twice here. */
import { type NodemailerError, createTransport } from 'nodemailer';
import { type Mail, MailFailure, type MailPort } from './port.ts';

export type SmtpOptions = {
  /** `smtp://` (STARTTLS where the server has it; `?requireTLS=true` insists) or `smtps://`, with the login if there is one. */
  readonly url: string;
  /** `MAIL_FROM`: an address, with or without a name. */
  readonly from: string;
  /** Of a whole mail, waiting for a connection included, ms. */
  readonly timeoutMs?: number;
};

/** Usual servers take ten connections of one client and fewer of a stranger. */
const MAX_CONNECTIONS = 5;
/** To connect, and for the greeting: a server that is there answers in a second; greylisting ones make strangers wait a few. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Silence in the middle of a mail. */
const SOCKET_TIMEOUT_MS = 15_000;
/** Below the activity's own minute; a server that trickles outlives a time-out of silence. */
const MAIL_TIMEOUT_MS = 45_000;
/** The server refused what was sent, not who sends: a wrong password answers 5xx too, and is the operator's to mend. */
const REFUSALS = new Set(['EENVELOPE', 'EMESSAGE']);

export function createSmtpMail(options: SmtpOptions): MailPort {
  const transport = createTransport({
    pool: true,
    url: options.url,
    maxConnections: MAX_CONNECTIONS,
    // One retry layer: the delivery's workflow.
    maxRequeues: 0,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // Texts are ours; nothing in one may become a file or a request.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = domainOf(options.from);
  return {
    async send(mail: Mail): Promise<void> {
      try {
        await transport.sendMail({
          from: options.from,
          to: { name: mail.to.name ?? '', address: mail.to.address },
          subject: mail.subject,
          text: mail.text,
          html: mail.html,
          date: mail.date,
          messageId: `<${mail.id}@${domain}>`,
          // No out-of-office answers to a machine (RFC 3834).
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.timeout(options.timeoutMs ?? MAIL_TIMEOUT_MS),
        });
      } catch (error) {
        throw toFailure(error);
      }
    },
    close: () => transport.close(),
  };
}

function toFailure(error: unknown): MailFailure {
  const { code = 'UNKNOWN', responseCode = null, permanent = false } = error as NodemailerError;
  return new MailFailure(
    { code, smtpStatus: responseCode, isFinal: permanent && REFUSALS.has(code) },
    { cause: error },
  );
}

/** Of the sender's address: a Message-ID is unique in the domain that made it. */
function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
}
