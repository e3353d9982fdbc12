import { expect, test } from 'vitest';
import { planParts } from '../../../sandbox/start/plan.ts';

const ALL = { PostgreSQL: true, Temporal: true, Composio: true, model: true };

test('embeds everything when the environment names nothing, and what is named with an empty text', () => {
  expect(planParts({})).toEqual(ALL);
  expect(
    planParts({ DATABASE_URL: '', TEMPORAL_ADDRESS: ' ', COMPOSIO_API_KEY: '', OPENAI_API_KEY: '' }),
  ).toEqual(ALL);
});

test.each([
  ['DATABASE_URL', 'PostgreSQL'],
  ['TEMPORAL_ADDRESS', 'Temporal'],
  ['TEMPORAL_PROFILE', 'Temporal'],
  ['COMPOSIO_API_KEY', 'Composio'],
  ['OPENAI_API_KEY', 'model'],
])('%s makes %s real and nothing else', (variable, part) => {
  expect(planParts({ [variable]: 'named' })).toEqual({ ...ALL, [part]: false });
});

test('a namespace, a TLS setting or a model name alone names no service', () => {
  expect(planParts({ TEMPORAL_NAMESPACE: 'shop', TEMPORAL_TLS: 'true', OPENAI_MODEL: 'm' })).toEqual(ALL);
});

test.each(['COMPOSIO', 'OPENAI'])('refuses %s_BASE_URL without its key, naming both', (service) => {
  const named = { [`${service}_BASE_URL`]: 'https://example.com' };
  expect(() => planParts(named)).toThrow(`${service}_BASE_URL is set but ${service}_API_KEY is not`);
  expect(() => planParts({ ...named, [`${service}_API_KEY`]: 'k' })).not.toThrow();
});
