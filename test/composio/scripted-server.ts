/** A server that does to one request exactly what a test says, down to the socket, and remembers what it was asked. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Asked = {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
};
export type Script = (asked: Asked, response: ServerResponse) => void | Promise<void>;
export type ScriptedServer = {
  readonly url: string;
  readonly asked: Asked[];
  script: Script;
  close(): Promise<void>;
};

export async function createScriptedServer(script: Script = answerJson(200, {})): Promise<ScriptedServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one: Asked = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      asked.push(one);
      void scripted.script(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const scripted: ScriptedServer = {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    asked,
    script,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return scripted;
}

export function answerJson(status: number, body: unknown, headers: Record<string, string> = {}): Script {
  return (_asked, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}
export function answerText(status: number, body: string, headers: Record<string, string> = {}): Script {
  return (_asked, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
}
