/**
 * Requests that are none: what Node's parser refuses before there is a request to route. They get problem details as
 * every other refusal does, and the socket is closed so that the answer arrives. Nothing of what was sent is repeated.
 */
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ProblemCode } from './problem-codes.ts';
import { ApiProblem, PROBLEMS, invalid } from './problem-codes.ts';
import { toProblemBody } from './problems.ts';

/**
 * A socket that is closed with unread bytes in it is reset, and the reset overtakes the answer. So what still comes is
 * read and dropped for this long: enough for a client on a slow line to finish, short for one that never does.
 */
const DRAIN_MS = 2_000;

const CODES: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

export function answerClientErrors(server: Server): void {
  const answered = new WeakSet<object>();
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket & { _httpMessage?: { headersSent: boolean } | null };
    // The parser tells of every further chunk of the same fault.
    if (answered.has(socket)) return;
    answered.add(socket);
    // A client that has gone, or one in the middle of an answer: a second answer would be taken for a part of the first.
    if (!socket.writable || error.code === 'ECONNRESET' || socket._httpMessage?.headersSent === true) {
      socket.destroy();
      return;
    }
    socket.end(toText(problemOf(error.code)));
    const cut = setTimeout(() => socket.destroy(), DRAIN_MS);
    socket.once('close', () => clearTimeout(cut));
    socket.resume();
  });
}

function problemOf(code: string | undefined): ApiProblem {
  const known = CODES[code ?? ''];
  return known ? new ApiProblem(known) : invalid('request', 'is not HTTP');
}

function toText(problem: ApiProblem): string {
  const { status } = PROBLEMS[problem.code];
  const id = randomUUID();
  const body = JSON.stringify(toProblemBody(problem, id));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Cache-Control: no-store',
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
    '',
    body,
  ].join('\r\n');
}
