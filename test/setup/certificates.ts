/**
 * X.509 certificates for tests: an authority of one's own, and what it signs. Just enough DER for TLS libraries that check names,
 * dates and chains; Node can read certificates and not make them, and a key in the repository would expire.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export type Certificate = { readonly cert: string; readonly key: string };
export type Authority = {
  /** PEM of the authority itself: what the other side trusts. */
  readonly cert: string;
  /** For a server named `localhost` and 127.0.0.1. */
  server(): Certificate;
  client(name: string): Certificate;
};

type Subject = { readonly name: string; readonly publicKey: KeyObject; readonly isAuthority: boolean };
type Issuer = { readonly name: string; readonly privateKey: KeyObject; readonly keyId: Buffer };

const DAY_MS = 86_400_000;

export function createAuthority(name = 'Test authority'): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer: Issuer = { name, privateKey: own.privateKey, keyId: keyIdOf(own.publicKey) };
  const issue = (subjectName: string): Certificate => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cert = certificate({ name: subjectName, publicKey, isAuthority: false }, issuer);
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  };
  return {
    cert: certificate({ name, publicKey: own.publicKey, isAuthority: true }, issuer),
    server: () => issue('localhost'),
    client: issue,
  };
}

function certificate(subject: Subject, issuer: Issuer): string {
  const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)); // ecdsa-with-SHA256
  const now = Date.now();
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, Buffer.concat([Buffer.of(0x01), randomBytes(8)])), // serial number, positive
    algorithm,
    distinguishedName(issuer.name),
    sequence(time(now - DAY_MS), time(now + DAY_MS)),
    distinguishedName(subject.name),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(subject, issuer))),
  );
  const signature = sign('sha256', body, issuer.privateKey);
  const whole = sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extensions(subject: Subject, issuer: Issuer): Buffer[] {
  const basic = extension(0x13, sequence(...(subject.isAuthority ? [TRUE] : [])), { isCritical: true });
  const mayIssue = extension(0x0f, der(0x03, Buffer.of(1, 0b110)), { isCritical: true }); // keyCertSign, cRLSign
  const subjectKey = extension(0x0e, der(0x04, keyIdOf(subject.publicKey)));
  const authorityKey = extension(0x23, sequence(der(0x80, issuer.keyId)));
  // Of the names only a server's matter; on a client's certificate they do no harm.
  const names = extension(
    0x11,
    sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1))),
  );
  return subject.isAuthority ? [basic, mayIssue, subjectKey] : [basic, subjectKey, authorityKey, names];
}

/** `id-ce` and this number. */
function extension(id: number, value: Buffer, { isCritical = false } = {}): Buffer {
  return sequence(oid(0x55, 0x1d, id), ...(isCritical ? [TRUE] : []), der(0x04, value));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(commonName)))));
}

/** UTCTime: YYMMDDHHMMSSZ. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().slice(2, 19).replaceAll(/\D/g, '');
  return der(0x17, Buffer.from(`${digits}Z`));
}

function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const oid = (...bytes: readonly number[]): Buffer => der(0x06, Buffer.from(bytes));

const TRUE = Buffer.of(0x01, 0x01, 0xff);

/** One element: tag, length, content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80
      ? Buffer.of(length)
      : length < 0x100
        ? Buffer.of(0x81, length)
        : Buffer.of(0x82, length >> 8, length & 0xff);
  return Buffer.concat([Buffer.of(tag), size, content]);
}
