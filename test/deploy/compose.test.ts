import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLOSE_DELAY_MS } from '../../api/server.ts';
import { loadConfig } from '../../config/load-config.ts';
import { type ProcessName, REQUIRED, variables } from '../../config/schema.ts';
import { TEMPORAL_VARIABLES, loadTemporalConfig } from '../../config/temporal.ts';
import { TRACING_VARIABLES } from '../../config/tracing.ts';
import { parseDuration } from '../../domain/duration.ts';
import { SEARCH_ATTRIBUTES } from '../../sandbox/temporal/search-attributes.ts';
import { buildServerArguments } from '../../sandbox/temporal/server.ts';
import { type Env, ROOT, asList, asMap, readComposeFile, readYaml } from './compose-file.ts';
import { copiedPaths, isCovered, lastOf, readStage } from './image-contents.ts';

const KEYS: Env = { COMPOSIO_API_KEY: 'c', OPENAI_API_KEY: 'o', BELLHOP_API_KEY: 'b' };
const PROCESSES: readonly ProcessName[] = ['api', 'worker', 'migrate'];
/** Not the operator's business in a container: set by the image, for development, or for tests. */
const NOT_PASSED = [
  'NODE_ENV',
  'BELLHOP_WORKFLOW_BUNDLE',
  'BELLHOP_DATA_DIR',
  'COMPOSIO_SANDBOX_PORT',
  'MODEL_SANDBOX_PORT',
  'SABOTAGE',
  // Compose's own PostgreSQL has no pooler before it.
  'DATABASE_DIRECT_URL',
];

const file = readComposeFile(KEYS);
const services = asMap(file['services']);
const serviceOf = (name: string, from = services) => asMap(from[name]);
const environmentOf = (name: string, from = services) =>
  asMap(serviceOf(name, from)['environment']) as Record<string, string>;
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const seconds = (text: unknown) => (parseDuration(String(text)) ?? Number.NaN) / 1_000;

describe('docker-compose.yml', () => {
  it('has PostgreSQL, Temporal with its UI, and each of our three processes', () => {
    expect(Object.keys(services)).toEqual(
      expect.arrayContaining(['postgres', 'temporal', 'temporal-ui', ...PROCESSES]),
    );
  });

  it.each(PROCESSES)('starts %s by a script that the image holds', (name) => {
    const command = asList(serviceOf(name)['command']);
    expect(command[0]).toBe('node');
    // Node's own options stand before the script.
    const script = command.slice(1).find((word) => !word.startsWith('--')) ?? '';
    expect(existsSync(join(ROOT, script))).toBe(true);
    expect(isCovered(script, copiedPaths(readStage('runtime')))).toBe(true);
  });

  it.each(['api', 'worker'] as const)(
    'starts %s with the options of node that `npm run` gives it',
    (name) => {
      const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
      expect(`exec ${asList(serviceOf(name)['command']).join(' ')}`).toBe(scripts[name]);
    },
  );

  it('starts the image without a command as the API', () => {
    expect(JSON.parse(lastOf(readStage('runtime'), 'CMD') ?? '')).toEqual(
      asList(serviceOf('api')['command']),
    );
  });

  it.each(PROCESSES)('gives %s only variables that the configuration knows', (name) => {
    const known: readonly string[] = [...Object.keys(variables), ...TEMPORAL_VARIABLES, ...TRACING_VARIABLES];
    expect(Object.keys(environmentOf(name)).filter((variable) => !known.includes(variable))).toEqual([]);
  });

  it.each(PROCESSES)('gives %s all that it cannot work without, and nothing that it refuses', (name) => {
    const environment = environmentOf(name);
    for (const variable of REQUIRED[name]) expect(environment[variable], variable).toBeTruthy();
    expect(() => loadConfig({ ...environment, NODE_ENV: 'production' }, name)).not.toThrow();
  });

  it('passes on every variable that an operator may set', () => {
    const passed = new Set(PROCESSES.flatMap((name) => Object.keys(environmentOf(name))));
    const missing = Object.keys(variables).filter(
      (variable) => !passed.has(variable) && !NOT_PASSED.includes(variable),
    );
    expect(missing).toEqual([]);
  });

  it('takes what the operator sets, and the schema’s defaults for the rest', () => {
    const env = { ...KEYS, PUBLIC_URL: 'https://bellhop.example.com', PORT: '9000', TOOL_TIMEOUT: '90s' };
    const set = asMap(readComposeFile(env)['services']);
    const api = loadConfig(environmentOf('api', set), 'api');
    expect(api.http).toMatchObject({ port: 9000, publicUrl: 'https://bellhop.example.com' });
    expect(loadConfig(environmentOf('worker', set), 'worker').worker.toolTimeoutMs).toBe(90_000);
    const defaults = loadConfig({ DATABASE_URL: environmentOf('migrate')['DATABASE_URL'] }, 'migrate');
    const unset = loadConfig(environmentOf('worker'), 'worker');
    expect(unset.connect).toEqual(defaults.connect);
    expect(unset.audit).toEqual(defaults.audit);
    expect(unset.worker.toolTimeoutMs).toBe(defaults.worker.toolTimeoutMs);
  });

  it.each(['COMPOSIO_API_KEY', 'OPENAI_API_KEY', 'BELLHOP_API_KEY'])('refuses to start without %s', (key) => {
    expect(() => readComposeFile({ ...KEYS, [key]: '' })).toThrow(new RegExp(key));
  });

  it('publishes and exposes the ports that the processes listen on', () => {
    const { http } = loadConfig(environmentOf('api'), 'api');
    const { worker } = loadConfig(environmentOf('worker'), 'worker');
    expect(asList(serviceOf('api')['ports'])).toEqual([`127.0.0.1:${http.port}:${http.port}`]);
    expect(asList(serviceOf('api')['expose'])).toEqual([String(http.metricsPort)]);
    expect(asList(serviceOf('worker')['expose'])).toEqual([String(worker.metricsPort)]);
    expect(http.publicUrl).toBe(`http://localhost:${http.port}`);
    const exposed = lastOf(readStage('runtime'), 'EXPOSE')?.split(' ');
    expect(exposed).toEqual([http.port, http.metricsPort, worker.metricsPort].map(String));
  });

  it('publishes nothing beyond loopback, and PostgreSQL not at all', () => {
    const ports = Object.values(services).flatMap((service) => {
      const published = asMap(service)['ports'];
      return published === undefined ? [] : asList(published);
    });
    expect(ports.length).toBeGreaterThan(0);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    expect(serviceOf('postgres')).not.toHaveProperty('ports');
    expect(asMap(asMap(file['networks'])['database'])['internal']).toBe('true');
  });

  it('sends our processes to its own PostgreSQL and Temporal', () => {
    for (const name of PROCESSES) {
      const url = new URL(environmentOf(name)['DATABASE_URL'] ?? '');
      expect(Object.keys(services)).toContain(url.hostname);
      expect(asList(serviceOf(name)['networks'])).toContain('database');
    }
    for (const name of ['api', 'worker']) {
      const { connectionOptions, namespace } = loadTemporalConfig(environmentOf(name));
      expect(connectionOptions.address).toBe('temporal:7233');
      expect(namespace).toBe(environmentOf('temporal-namespace')['TEMPORAL_NAMESPACE']);
    }
  });

  it('lets the worker finish what it sent before it is killed', () => {
    const { toolTimeoutMs } = loadConfig(environmentOf('worker'), 'worker').worker;
    const margin = constantOf('worker/supervise.ts', 'CLOSE_MARGIN_MS');
    expect(seconds(serviceOf('worker')['stop_grace_period']) * 1_000).toBeGreaterThan(toolTimeoutMs + margin);
    expect(seconds(serviceOf('api')['stop_grace_period']) * 1_000).toBeGreaterThan(CLOSE_DELAY_MS);
  });

  it('waits for what each process needs', () => {
    const conditionOf = (name: string, on: string) =>
      asMap(asMap(serviceOf(name)['depends_on'])[on])['condition'];
    expect(conditionOf('migrate', 'postgres')).toBe('service_healthy');
    for (const name of ['api', 'worker']) {
      expect(conditionOf(name, 'migrate')).toBe('service_completed_successfully');
      expect(conditionOf(name, 'temporal-namespace')).toBe('service_completed_successfully');
    }
    for (const [name, service] of Object.entries(services)) {
      for (const [on, how] of Object.entries(asMap(asMap(service)['depends_on'] ?? {}))) {
        if (asMap(how)['condition'] !== 'service_healthy') continue;
        expect(serviceOf(on)['healthcheck'], `${name} waits for ${on} to be healthy`).toBeTruthy();
      }
    }
  });

  it.each(PROCESSES)('runs %s without privileges on a read-only file system', (name) => {
    expect(serviceOf(name)).toMatchObject({
      read_only: 'true',
      init: 'true',
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      tmpfs: ['/tmp'],
    });
  });

  it('mounts only files that exist', () => {
    const mounts = Object.values(services).flatMap((service) => {
      const volumes = asMap(service)['volumes'];
      return volumes === undefined ? [] : asList(volumes).filter((volume) => volume.startsWith('./'));
    });
    expect(mounts.length).toBeGreaterThan(0);
    for (const mount of mounts) {
      const [source = '', , mode] = mount.split(':');
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(mode).toBe('ro');
    }
    // The postgres image runs what is executable and sources the rest, with other settings of the shell.
    expect(statSync(join(ROOT, 'deploy/postgres/10-databases.sh')).mode & 0o111).toBe(0o111);
  });
});

describe('deploy/temporal', () => {
  const flags = buildServerArguments({ store: 'memory', namespace: 'default', port: 1, uiPort: null });

  it('has the dynamic configuration that `npm start` gives its dev server', () => {
    const wanted = flags.flatMap((flag, index) =>
      flags[index - 1] === '--dynamic-config-value' ? [flag] : [],
    );
    const lines = read('deploy/temporal/dynamic-config.yaml').replaceAll(/^#.*\n/gm, '');
    const given = [...lines.matchAll(/^([\w.]+):\n {2}- value: (\S+)$/gm)].map((m) => `${m[1]}=${m[2]}`);
    expect(given.sort()).toEqual(wanted.toSorted());
    const path = environmentOf('temporal')['DYNAMIC_CONFIG_FILE_PATH'];
    expect(path).toBe('/bellhop/dynamic-config.yaml');
    expect(asList(serviceOf('temporal')['volumes'])).toContain('./deploy/temporal:/bellhop:ro');
  });

  it('makes exactly the search attributes that workflows set', () => {
    const script = read('deploy/temporal/setup-namespace.sh');
    const made = [...script.matchAll(/--name (\w+) --type (\w+)/g)].map((match) => [match[1], match[2]]);
    expect(Object.fromEntries(made)).toEqual(SEARCH_ATTRIBUTES);
  });

  it.each(['temporal-schema', 'temporal-namespace'])(
    'has the script that %s runs, in sound shell',
    (name) => {
      const [shell, script = ''] = asList(serviceOf(name)['entrypoint']);
      expect(shell).toBe('/bin/sh');
      const path = join(ROOT, script.replace('/bellhop/', 'deploy/temporal/'));
      expect(() => execFileSync('sh', ['-n', path])).not.toThrow();
    },
  );
});

describe('the reader that these tests use', () => {
  it('refuses YAML that it does not know, instead of guessing', () => {
    for (const text of ['a: |\n  b', 'a: {b: c}', 'a: *nobody', 'a: b # c', 'a\n', 'a: "x\\n"'])
      expect(() => readYaml(text), text).toThrow();
    expect(() => readYaml('a: 1\na: 2')).toThrow(/twice/);
    expect(() => readYaml('a:\n    b: 1\n  c: 2')).toThrow(/indentation/);
  });

  it('keeps what a map says itself over what is merged into it', () => {
    expect(readYaml('x: &x\n  a: 1\n  b: 2\ny:\n  <<: *x\n  b: 3\nz:\n  b: 4\n  <<: *x')).toMatchObject({
      y: { a: '1', b: '3' },
      z: { a: '1', b: '4' },
    });
  });
});

describe.skipIf(!hasDockerCompose())('docker compose (skipped where the client lacks it)', () => {
  it('accepts the file and sees in it what the tests above see', () => {
    const seen = JSON.parse(dockerCompose(KEYS)) as {
      services: Record<
        string,
        { command: string[] | null; environment?: Record<string, string>; ports?: { host_ip?: string }[] }
      >;
    };
    expect(Object.keys(seen.services).sort()).toEqual(Object.keys(services).sort());
    for (const name of PROCESSES) {
      expect(seen.services[name]?.command).toEqual(serviceOf(name)['command']);
      expect(seen.services[name]?.environment).toEqual(environmentOf(name));
    }
    const addresses = Object.values(seen.services).flatMap((service) => service.ports ?? []);
    expect(new Set(addresses.map((port) => port.host_ip))).toEqual(new Set(['127.0.0.1']));
  });

  it('refuses it when a key is not given, and says which', () => {
    const { OPENAI_API_KEY: _, ...others } = KEYS;
    expect(() => dockerCompose(others)).toThrow(/OPENAI_API_KEY/);
  });
});

function constantOf(path: string, name: string): number {
  const match = new RegExp(`const ${name} = ([\\d_]+);`).exec(read(path));
  if (!match) throw new Error(`${path} has no ${name}`);
  return Number(match[1]?.replaceAll('_', ''));
}

function hasDockerCompose(): boolean {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Asks no daemon. A developer's own .env must not answer for the file. */
function dockerCompose(env: Env): string {
  const { PATH = '', HOME = '', DOCKER_CONFIG } = process.env;
  const own = DOCKER_CONFIG === undefined ? {} : { DOCKER_CONFIG };
  return execFileSync('docker', ['compose', '--env-file', '/dev/null', 'config', '--format', 'json'], {
    cwd: ROOT,
    env: { PATH, HOME, ...own, ...env },
    encoding: 'utf8',
    stdio: 'pipe',
  });
}
