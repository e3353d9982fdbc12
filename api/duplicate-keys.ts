/**
 * JSON.parse silently keeps the last of two equal members, so a proxy that keeps the first would see another request
 * than we do. Takes text that JSON.parse has accepted; one pass, no recursion.
 */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/gs;

export function findDuplicateKey(json: string): boolean {
  const open: (Set<string> | null)[] = [];
  let key: string | null = null;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const keys = open.at(-1);
      if (keys && key !== null) {
        if (keys.has(key)) return true;
        keys.add(key);
      }
    } else if (token !== ',') key = JSON.parse(token) as string;
  }
  return false;
}
