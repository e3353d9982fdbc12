import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../config/load-config.ts';
import { variables } from '../../config/schema.ts';
import { TEMPORAL_VARIABLES } from '../../config/temporal.ts';
import { TRACING_VARIABLES } from '../../config/tracing.ts';

const lines = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n');
const entries = lines.flatMap((line) => {
  const match = /^#?([A-Z][A-Z0-9_]+)=(.*)$/.exec(line);
  return match ? [{ name: match[1] ?? '', text: match[2] ?? '' }] : [];
});

describe('.env.example', () => {
  it('names exactly the variables that the schema, Temporal and OpenTelemetry know, each once', () => {
    expect(entries.map((entry) => entry.name).sort()).toEqual(
      [...Object.keys(variables), ...TEMPORAL_VARIABLES, ...TRACING_VARIABLES].sort(),
    );
  });

  it('shows the real defaults', () => {
    const needed = { DATABASE_URL: 'postgres://localhost/b' };
    const examples = [
      'PUBLIC_URL',
      'METRICS_PORT',
      'WORKER_METRICS_PORT',
      'COMPOSIO_AUTH_CONFIGS',
      'TOOL_EFFECTS',
      'DATABASE_URL',
    ];
    const shown = Object.fromEntries(
      entries.filter((entry) => !examples.includes(entry.name)).map((entry) => [entry.name, entry.text]),
    );
    expect(loadConfig({ ...shown, ...needed }, 'migrate')).toEqual(loadConfig(needed, 'migrate'));
  });

  it('holds no secret and no value that would not parse', () => {
    const all = Object.fromEntries(entries.map((entry) => [entry.name, entry.text]));
    expect(() => loadConfig(all, 'migrate')).not.toThrow();
    for (const { name, text } of entries) if (/KEY$|SECRET$/.test(name)) expect(text).toBe('');
  });
});
