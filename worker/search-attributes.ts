/** Says at start when the namespace lacks the search attributes that operators filter by. Runs go without them then. */
import type { Client } from '@temporalio/client';
import { APPS_ATTRIBUTE, STATUS_ATTRIBUTE, USER_ATTRIBUTE } from '../workflows/messages.ts';

const NEEDED = [USER_ATTRIBUTE, STATUS_ATTRIBUTE, APPS_ATTRIBUTE];
const CLI_TYPES: Readonly<Record<string, string>> = { KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList' };
/** gRPC's INVALID_ARGUMENT: how the server names an attribute that it does not know in a filter. */
const INVALID_ARGUMENT = 3;
/** Temporal Cloud, by namespace endpoint or by region's. */
const CLOUD = /\.(tmprl\.cloud|api\.temporal\.io)(:\d+)?$/;

type Attribute = (typeof NEEDED)[number];

/**
 * @param address as configured: it says which tool adds attributes there.
 * @returns the exact command that adds what is missing; null when nothing is, or when the namespace does not let us ask.
 */
export async function findMissingAttributes(client: Client, address = ''): Promise<string | null> {
  const { namespace } = client.options;
  const missing = (await listMissing(client)) ?? (await probeMissing(client));
  if (missing.length === 0) return null;
  const typeOf = ({ type }: Attribute): string => CLI_TYPES[type] ?? type;
  if (CLOUD.test(address)) {
    const flags = missing.map((attribute) => `--search-attribute "${attribute.name}=${typeOf(attribute)}"`);
    return `tcld namespace search-attributes add --namespace ${namespace} ${flags.join(' ')}`;
  }
  const flags = missing.map((attribute) => `--name ${attribute.name} --type ${typeOf(attribute)}`);
  return `temporal operator search-attribute create --namespace ${namespace} ${flags.join(' ')}`;
}

/** @returns null where only administrators may ask, as on Temporal Cloud. */
async function listMissing(client: Client): Promise<readonly Attribute[] | null> {
  const { namespace } = client.options;
  try {
    const answer = await client.connection.operatorService?.listSearchAttributes({ namespace });
    const has = new Set(Object.keys(answer?.customAttributes ?? {}));
    return NEEDED.filter((attribute) => !has.has(attribute.name));
  } catch {
    return null;
  }
}

/** By what everybody who may run workflows may do: a filter by an attribute that is not there is refused. */
async function probeMissing(client: Client): Promise<readonly Attribute[]> {
  const { namespace } = client.options;
  const missing: Attribute[] = [];
  for (const attribute of NEEDED) {
    const query = `${attribute.name} = 'x'`;
    try {
      await client.workflowService.countWorkflowExecutions({ namespace, query });
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code === INVALID_ARGUMENT) missing.push(attribute);
    }
  }
  return missing;
}
