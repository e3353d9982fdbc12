/**
 * The only door to SMTP, as the rest of the project sees it. mail/ may not import anything of ours but domain/, does not
 * retry, and knows no user: who gets what is the caller's business.
 */
export interface MailPort {
  /**
   * Hands one mail to the server, no retry of its own. A server that took the mail and whose answer got lost is told again
   * by the caller: at least once, under the same Message-ID.
   * @throws MailFailure when the server did not take it.
   */
  send(mail: Mail): Promise<void>;
  /** Closes the connections. Mails on their way are finished first. */
  close(): void;
}

export type Mail = {
  /** The same for every attempt; becomes the Message-ID. */
  readonly id: string;
  readonly to: { readonly name: string | null; readonly address: string };
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** When what it tells happened: the same for every attempt. */
  readonly date: Date;
};

export class MailFailure extends Error {
  override readonly name = 'MailFailure';
  readonly code: string;
  /** The server's reply code; null when there was none. */
  readonly smtpStatus: number | null;
  /** The server refused this mail for good (5xx on its sender, recipient or text). */
  readonly isFinal: boolean;

  constructor(
    failure: { code: string; smtpStatus: number | null; isFinal: boolean },
    options?: { cause?: unknown },
  ) {
    // Not the server's own words: they quote addresses.
    super(`SMTP ${failure.smtpStatus ?? failure.code}`, options);
    this.code = failure.code;
    this.smtpStatus = failure.smtpStatus;
    this.isFinal = failure.isFinal;
  }
}
