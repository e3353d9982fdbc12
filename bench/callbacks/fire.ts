/** Browsers that come back all at once: one socket each, opened and used in the same moment, nothing followed. */
import { connect } from 'node:net';

export type CallbackRequest = { readonly path: string; readonly cookie: string };
export type CallbackAnswer = {
  /** 0: no answer at all. */
  readonly status: number;
  readonly kind: 'finished' | 'finishing' | 'refused' | 'none';
  /** From the first packet to the last byte. */
  readonly ms: number;
};

/** Longer than anything that may be called an answer here. */
const DEADLINE_MS = 60_000;

export function fireAll(
  port: number,
  requests: readonly CallbackRequest[],
): Promise<readonly CallbackAnswer[]> {
  return Promise.all(requests.map((request) => fire(port, request)));
}

function fire(port: number, { path, cookie }: CallbackRequest): Promise<CallbackAnswer> {
  return new Promise((resolve) => {
    const started = performance.now();
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    const timer = setTimeout(() => socket.destroy(), DEADLINE_MS);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`,
    );
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      const text = Buffer.concat(chunks).toString();
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
      resolve({ status, kind: kindOf(status, text), ms: performance.now() - started });
    });
  });
}

function kindOf(status: number, text: string): CallbackAnswer['kind'] {
  if (status === 0) return 'none';
  if (status !== 200 && status !== 302) return 'refused';
  return /http-equiv="refresh"/i.test(text) ? 'finishing' : 'finished';
}
