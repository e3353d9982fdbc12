/**
 * Decides which parts of Bellhop the environment names, and which `npm start` embeds. Pure: reads what it is given,
 * starts nothing.
 */
import { StartError } from '../start-error.ts';

export const PART_NAMES = ['PostgreSQL', 'Temporal', 'Composio', 'model'] as const;
export type PartName = (typeof PART_NAMES)[number];

/** True: embedded. */
export type Plan = Readonly<Record<PartName, boolean>>;

export type Env = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as unset. Throws StartError where a service is named without the key it needs. */
export function planParts(env: Env): Plan {
  const isSet = (name: string) => (env[name] ?? '').trim() !== '';
  for (const service of ['COMPOSIO', 'OPENAI']) {
    if (isSet(`${service}_BASE_URL`) && !isSet(`${service}_API_KEY`)) {
      throw new StartError(
        `${service}_BASE_URL is set but ${service}_API_KEY is not: set both to use that service, or neither to use the sandbox`,
      );
    }
  }
  return {
    PostgreSQL: !isSet('DATABASE_URL'),
    // A profile names a server just as an address does.
    Temporal: !['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE'].some(isSet),
    Composio: !isSet('COMPOSIO_API_KEY'),
    model: !isSet('OPENAI_API_KEY'),
  };
}
