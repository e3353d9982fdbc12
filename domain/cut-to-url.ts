/** How many users one question to Composio may name: their ids travel in the URL, which proxies pass on only so long. Pure. */
const MAX_ENCODED_IDS = 4_000;
/** The comma between two ids, encoded. */
const SEPARATOR_LENGTH = 3;

/** As many ids from the start of the list as fit; at least one. */
export function cutToUrl(ids: readonly string[]): readonly string[] {
  let length = 0;
  const end = ids.findIndex((id) => {
    length += encodeURIComponent(id).length + SEPARATOR_LENGTH;
    return length > MAX_ENCODED_IDS;
  });
  return end === -1 ? ids : ids.slice(0, Math.max(1, end));
}
