/** Says at start when the namespace lacks the search attributes that operators filter by. Runs go without them then. */
import type { Client } from '@temporalio/client';
import { APPS_ATTRIBUTE, STATUS_ATTRIBUTE, USER_ATTRIBUTE } from '../workflows/messages.ts';

const NEEDED = [USER_ATTRIBUTE, STATUS_ATTRIBUTE, APPS_ATTRIBUTE];
const CLI_TYPES: Readonly<Record<string, string>> = { KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList' };

/** @returns the exact command that adds what is missing; null when nothing is, or when the namespace does not let us ask. */
export async function findMissingAttributes(client: Client): Promise<string | null> {
  const { namespace } = client.options;
  let has: ReadonlySet<string>;
  try {
    const answer = await client.connection.operatorService?.listSearchAttributes({ namespace });
    has = new Set(Object.keys(answer?.customAttributes ?? {}));
  } catch {
    // Temporal Cloud answers this to administrators only.
    return null;
  }
  const missing = NEEDED.filter((attribute) => !has.has(attribute.name));
  if (missing.length === 0) return null;
  const flags = missing.map(
    (attribute) => `--name ${attribute.name} --type ${CLI_TYPES[attribute.type] ?? attribute.type}`,
  );
  return `temporal operator search-attribute create --namespace ${namespace} ${flags.join(' ')}`;
}
