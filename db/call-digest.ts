/** What an approval is bound to and the ledger records: tool, canonical arguments and account, as SHA-256 in hex. Pure. */
import { type JsonObject, canonicalJson } from '../domain/json.ts';
import { sha256Hex } from './ids.ts';

export function callDigest(call: {
  readonly tool: string;
  readonly arguments: JsonObject;
  readonly accountId: string | null;
}): string {
  return sha256Hex(canonicalJson({ tool: call.tool, arguments: call.arguments, account: call.accountId }));
}
