/**
 * A Temporal server behind TLS, as Temporal Cloud and guarded clusters are: the dev server speaks no TLS itself, so an HTTP/2 proxy
 * stands before it that demands a certificate of its authority, or an API key in each request, and passes everything else on.
 */
import {
  connect,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Certificate } from './certificates.ts';

export type SecuredTemporal = {
  readonly address: string;
  /** Whose certificates came, by common name. */
  readonly clients: ReadonlySet<string>;
  readonly requests: () => number;
  readonly refused: () => number;
  readonly close: () => Promise<void>;
};

export type SecuredOptions = {
  /** `host:port` of the dev server. */
  readonly target: string;
  readonly server: Certificate;
  /** Certificates of this authority (PEM) are demanded of clients. */
  readonly clientAuthority?: string;
  /** Demanded as `authorization: Bearer …` of each request. */
  readonly apiKey?: string;
  /** Requests to these paths are refused, as those of an administrator's services are on Temporal Cloud. */
  readonly refuse?: RegExp;
};

/** gRPC's codes. */
const UNAUTHENTICATED = '16';
const PERMISSION_DENIED = '7';

export async function startSecuredTemporal(options: SecuredOptions): Promise<SecuredTemporal> {
  const clients = new Set<string>();
  let requests = 0;
  let refused = 0;
  const upstream = connect(`http://${options.target}`);
  upstream.on('error', () => undefined);
  const mutual = options.clientAuthority === undefined ? {} : { ca: options.clientAuthority };
  const server = createSecureServer({
    ...options.server,
    ...mutual,
    requestCert: options.clientAuthority !== undefined,
    rejectUnauthorized: options.clientAuthority !== undefined,
  });
  server.on('sessionError', () => undefined);
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    const { CN } = (session.socket as TLSSocket).getPeerCertificate().subject ?? {};
    if (CN !== undefined) clients.add(String(CN));
  });
  server.on('stream', (stream, headers) => {
    requests += 1;
    stream.on('error', () => undefined);
    const isStranger = options.apiKey !== undefined && headers.authorization !== `Bearer ${options.apiKey}`;
    if (isStranger || options.refuse?.test(headers[':path'] ?? '')) {
      refused += 1;
      const why = {
        'grpc-status': isStranger ? UNAUTHENTICATED : PERMISSION_DENIED,
        'grpc-message': 'refused',
      };
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...why }, { endStream: true });
      return;
    }
    pass(stream, upstream.request(headers));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `localhost:${(server.address() as AddressInfo).port}`,
    clients,
    requests: () => requests,
    refused: () => refused,
    close: () =>
      closeBoth(server, () => {
        upstream.destroy();
        for (const session of sessions) session.destroy();
      }),
  };
}

function pass(stream: ServerHttp2Stream, onward: ReturnType<ReturnType<typeof connect>['request']>): void {
  let trailers: IncomingHttpHeaders = {};
  onward.on('response', (headers) => {
    // An answer that is all trailers has its status among the headers already.
    const isWhole = headers['grpc-status'] !== undefined;
    if (stream.destroyed) return;
    stream.respond(headers, isWhole ? { endStream: true } : { waitForTrailers: true });
    if (!isWhole) onward.pipe(stream);
  });
  onward.on('trailers', (headers) => {
    trailers = headers;
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  onward.on('error', () => stream.destroy());
  stream.on('close', () => onward.close());
  stream.pipe(onward);
}

async function closeBoth(server: Http2SecureServer, hangUp: () => void): Promise<void> {
  hangUp();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  await closed;
}
