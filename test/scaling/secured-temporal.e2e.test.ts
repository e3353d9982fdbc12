/**
 * Temporal Cloud and guarded clusters, by environment alone: API and worker processes against a Temporal server behind TLS that
 * demands a client certificate, and one that demands an API key. A wrong one is refused, and told in one line.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadTemporalConfig } from '../../config/temporal.ts';
import { makeTemporaryFolder } from '../../sandbox/temporary-folder.ts';
import { findMissingAttributes } from '../../worker/search-attributes.ts';
import { startApiProcess } from '../setup/api-process.ts';
import { startTestBellhop, type TestBellhop } from '../setup/bellhop.ts';
import { type Authority, createAuthority } from '../setup/certificates.ts';
import { type SecuredTemporal, startSecuredTemporal } from '../setup/secured-temporal.ts';
import { createTestNamespace, testTemporalAddress } from '../setup/temporal.ts';
import { startWorkerProcess } from '../setup/worker-process.ts';

let bellhop: TestBellhop;
let namespace: string;
let folder: string;
let authority: Authority;
const open: { close: () => Promise<void> }[] = [];
const running: { kill: () => Promise<void> }[] = [];
beforeAll(async () => {
  // Its own namespace: worker/main.ts makes Schedules with fixed ids.
  namespace = await createTestNamespace();
  bellhop = await startTestBellhop({ noWorker: true, namespace });
  folder = await makeTemporaryFolder('certificates');
  authority = createAuthority();
});
// What an attempt that failed has left would ask the server, too.
afterEach(async () => {
  for (const { kill } of running.splice(0)) await kill();
});
afterAll(async () => {
  for (const { close } of open.reverse()) await close();
  await bellhop?.close();
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function secure(
  demands: Omit<Parameters<typeof startSecuredTemporal>[0], 'target' | 'server'>,
): Promise<SecuredTemporal> {
  const target = await testTemporalAddress();
  const secured = await startSecuredTemporal({ target, server: authority.server(), ...demands });
  open.push(secured);
  return secured;
}

/** The whole way, from POST /v1/runs to the run's end, with nothing but these variables. */
async function doRun(name: string, env: Readonly<Record<string, string>>): Promise<string> {
  const userId = `${name}-${randomUUID()}`;
  const worker = await startWorkerProcess(bellhop, { namespace, env });
  running.push(worker);
  const api = await startApiProcess(bellhop, { namespace, env });
  running.push(api);
  await worker.polls;
  await api.call('PUT', `/v1/users/${userId}`, { body: {} });
  await bellhop.sandbox.seedAccount({ userId, app: 'slack' });
  const run = { userId, task: 'Tell #general hello', tools: ['SLACK_SEND_MESSAGE'] };
  const { status, body } = await api.call('POST', '/v1/runs', { body: run });
  expect(status).toBe(202);
  const ended = await bellhop.ended(body.id, 60_000);
  await api.kill();
  await worker.kill();
  expect(await bellhop.sandbox.journal({ userId })).toHaveLength(1);
  return ended.status;
}

async function failToStart(env: Readonly<Record<string, string>>): Promise<string> {
  const worker = await startWorkerProcess(bellhop, { namespace, env });
  running.push(worker);
  expect((await worker.exited).code).toBe(1);
  return worker.tail();
}

describe('a server that demands a client certificate', () => {
  let secured: SecuredTemporal;
  let trust: Readonly<Record<string, string>>;
  beforeAll(async () => {
    secured = await secure({ clientAuthority: authority.cert });
    trust = {
      TEMPORAL_ADDRESS: secured.address,
      TEMPORAL_TLS: 'true',
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('authority.pem', authority.cert),
    };
  });
  const present = ({ cert, key }: { cert: string; key: string }, name: string) => ({
    ...trust,
    TEMPORAL_TLS_CLIENT_CERT_PATH: file(`${name}.pem`, cert),
    TEMPORAL_TLS_CLIENT_KEY_PATH: file(`${name}.key`, key),
  });

  test('is used by API and worker for a whole run', async () => {
    expect(await doRun('certified', present(authority.client('bellhop'), 'client'))).toBe('completed');
    expect([...secured.clients]).toEqual(['bellhop']);
  });

  test('gets no worker without one, with one of another authority, or that trusts another authority', async () => {
    const before = secured.requests();
    expect(await failToStart(trust)).toContain(`Temporal does not answer at ${secured.address}`);
    const stranger = createAuthority('Somebody else');
    expect(await failToStart(present(stranger.client('bellhop'), 'stranger'))).toContain('does not answer');
    const misled = {
      ...present(authority.client('bellhop'), 'misled'),
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('stranger.pem', stranger.cert),
    };
    expect(await failToStart(misled)).toContain('does not answer');
    expect(secured.requests()).toBe(before);
  }, 300_000);
});

describe('a server that demands an API key', () => {
  let secured: SecuredTemporal;
  let trust: Readonly<Record<string, string>>;
  beforeAll(async () => {
    secured = await secure({ apiKey: 'temporal-key' });
    // The key alone switches TLS on.
    trust = {
      TEMPORAL_ADDRESS: secured.address,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('authority.pem', authority.cert),
    };
  });

  test('is used by API and worker for a whole run', async () => {
    expect(await doRun('keyed', { ...trust, TEMPORAL_API_KEY: 'temporal-key' })).toBe('completed');
    expect(secured.requests()).toBeGreaterThan(10);
    expect(secured.refused()).toBe(0);
  });

  test('gets no worker with another key, and the key is not told', async () => {
    const said = await failToStart({ ...trust, TEMPORAL_API_KEY: 'another-key' });
    expect(said).toContain('does not answer');
    expect(said).not.toContain('another-key');
    expect(secured.refused()).toBeGreaterThan(0);
  });
});

describe('search attributes that a namespace lacks', () => {
  test('are found where only administrators may list them, with the command of Temporal Cloud', async () => {
    const secured = await secure({ refuse: /^\/temporal\.api\.operatorservice/ });
    const { connectionOptions } = loadTemporalConfig({
      HOME: '/nonexistent',
      TEMPORAL_ADDRESS: secured.address,
      TEMPORAL_TLS: 'true',
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('authority.pem', authority.cert),
    });
    const connection = await Connection.connect(connectionOptions);
    const bare = await createTestNamespace({ withAttributes: false });
    const ask = (name: string, address: string) =>
      findMissingAttributes(new Client({ connection, namespace: name }), address);
    expect(await ask(namespace, secured.address)).toBeNull();
    expect(await ask(bare, 'ns.a1b2c.tmprl.cloud:7233')).toBe(
      `tcld namespace search-attributes add --namespace ${bare} --search-attribute "BellhopUserId=Keyword"` +
        ' --search-attribute "BellhopStatus=Keyword" --search-attribute "BellhopApps=KeywordList"',
    );
    expect(await ask(bare, secured.address)).toBe(
      `temporal operator search-attribute create --namespace ${bare} --name BellhopUserId --type Keyword` +
        ' --name BellhopStatus --type Keyword --name BellhopApps --type KeywordList',
    );
    expect(secured.refused()).toBeGreaterThan(0);
    await connection.close();
  });
});
