/** Holds every answer that a test gets against the OpenAPI document that the same process serves. */
import { Ajv2020 } from 'ajv/dist/2020.js';

type Operation = { responses: Record<string, { content?: Record<string, unknown> }> };
export type Document = { paths: Record<string, Record<string, Operation>> };
/** A name for ajv only; nothing is fetched. */
const ID = 'https://api.invalid/document';

export type Seen = { method: string; path: string; status: number; contentType: string; body: unknown };

/** Throws when the status, the media type or the body of an answer is not what the document says. */
export function createAnswerCheck(document: Document): (seen: Seen) => void {
  const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { 'date-time': isTime, email: true } });
  ajv.addSchema({ $id: ID, ...document });
  const paths = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));
  return ({ method, path, status, contentType, body }) => {
    const [bare = ''] = path.split('?', 1);
    const known = paths.find(({ pattern }) => pattern.test(bare))?.path;
    const operation = known === undefined ? undefined : document.paths[known]?.[method.toLowerCase()];
    // Unknown paths and methods are not in the document, by nature.
    if (known === undefined || operation === undefined) return;
    const where = `${method} ${known} ${status}`;
    const response = operation.responses[String(status)];
    if (!response) throw new Error(`${where}: the document does not know this status`);
    const media = contentType.split(';', 1)[0] ?? '';
    if (!response.content) {
      if (body !== undefined) throw new Error(`${where}: has a body, the document none`);
      return;
    }
    if (!(media in response.content)) throw new Error(`${where}: is ${media}, not in the document`);
    if (media === 'text/html') return;
    const pointer = [
      'paths',
      known,
      method.toLowerCase(),
      'responses',
      String(status),
      'content',
      media,
      'schema',
    ];
    const ref = `${ID}#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    const validate = ajv.getSchema(ref) ?? ajv.compile({ $ref: ref });
    if (validate(body) !== true) throw new Error(`${where}: ${ajv.errorsText(validate.errors)}`);
  };
}

function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text));
}
