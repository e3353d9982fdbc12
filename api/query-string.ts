/** The query of a request as an object of strings. A parameter given twice is refused: two readers could pick different ones. */
import { invalid } from './problem-codes.ts';

export function parseQuery(url: string): Record<string, string> {
  const start = url.indexOf('?');
  const query: Record<string, string> = {};
  if (start < 0) return query;
  for (const pair of url.slice(start + 1).split('&')) {
    if (pair === '') continue;
    const split = pair.indexOf('=');
    const name = decode(split < 0 ? pair : pair.slice(0, split));
    if (name === '__proto__') throw invalid('query', 'has a parameter that is not allowed');
    if (Object.hasOwn(query, name)) throw invalid(`query/${name}`, 'is given more than once');
    query[name] = split < 0 ? '' : decode(pair.slice(split + 1));
  }
  return query;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalid('query', 'is not percent-encoded UTF-8');
  }
}
