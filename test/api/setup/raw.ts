/** HTTP as bytes on a socket, for what no client can say. */
import { connect } from 'node:net';

export type RawAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly body: Record<string, unknown> | null;
};
export type RawOptions = {
  /** Sent one after the other. */
  readonly parts: readonly (string | Buffer)[];
  /** Between two parts. */
  readonly pauseMs?: number;
  /** Sends the end of the stream behind the last part. */
  readonly half?: boolean;
};

const DEADLINE_MS = 30_000;

/** Sends, and reads until the server closes or every answer that `count` asks for is there. */
export function sendRaw(port: number, options: RawOptions, count = 1): Promise<readonly RawAnswer[]> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    let pause: NodeJS.Timeout | undefined;
    const finish = () => {
      clearTimeout(pause);
      clearTimeout(deadline);
      socket.destroy();
      resolve(parse(Buffer.concat(chunks)));
    };
    const deadline = setTimeout(finish, DEADLINE_MS);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (parse(Buffer.concat(chunks)).length >= count) finish();
    });
    socket.on('close', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The server may close before all was sent; what it said first is what counts.
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') finish();
      else reject(error);
    });
    const write = (index: number): void => {
      const part = options.parts[index];
      if (part === undefined) {
        if (options.half === true) socket.end();
        return;
      }
      if (socket.writable) socket.write(part);
      pause = setTimeout(() => write(index + 1), options.pauseMs ?? 0);
    };
    socket.once('connect', () => write(0));
  });
}

/** Whole answers only; those without a length end where the stream does. */
function parse(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const [first = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    const length = Number(headers['content-length'] ?? Number.NaN);
    const from = end + 4;
    const isChunked = headers['transfer-encoding'] === 'chunked';
    const until = isChunked
      ? rest.indexOf('0\r\n\r\n', from) + 5
      : from + (Number.isNaN(length) ? 0 : length);
    if (until > rest.length || (isChunked && until < from)) return answers;
    const raw = rest.subarray(from, until).toString();
    const text = isChunked ? raw.replaceAll(/(^|\r\n)[0-9a-f]+\r\n/g, '') : raw;
    const isJson = /json/.test(headers['content-type'] ?? '');
    const status = Number(first.split(' ')[1]);
    answers.push({ status, headers, text, body: isJson && text !== '' ? JSON.parse(text) : null });
    rest = rest.subarray(until);
  }
}
