/** The OpenAPI 3.1 document, made of the same schemas that requests are parsed with. */
import { createDocument } from 'zod-openapi';
import type {
  ZodOpenApiContentObject,
  ZodOpenApiOperationObject,
  ZodOpenApiPathsObject,
  ZodOpenApiResponseObject,
  ZodOpenApiResponsesObject,
} from 'zod-openapi';
import type { ResponseSpec, Route } from './define-route.ts';
import { TAGS } from './define-route.ts';
import { LINKS } from './links.ts';
import type { Link } from './links.ts';
import type { ProblemCode } from './problem-codes.ts';
import { PROBLEMS } from './problem-codes.ts';
import { problemSchema } from './schemas/problem.ts';

export type OpenApiDocument = ReturnType<typeof createDocument>;

export function createOpenApiDocument(
  routes: readonly Route[],
  server: { url: string; version: string },
): OpenApiDocument {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes)
    paths[route.path] = { ...paths[route.path], [route.method]: toOperation(route) };
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Bellhop',
      version: server.version,
      description:
        "Agent runs that act through Composio with each end user's own connected accounts, durable on Temporal. Errors are problem details (RFC 9457); times are RFC 3339 UTC; durations are strings such as `15s`, `24h`, `7d`.",
    },
    servers: [{ url: server.url }],
    tags: TAGS.map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key: `Authorization: Bearer <key>`.' },
        webhookSignature: {
          type: 'apiKey',
          in: 'header',
          name: 'webhook-signature',
          description:
            'Standard Webhooks: HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body as it came>`, `v1,` and base64.',
        },
      },
    },
  });
}

function toOperation(route: Route): ZodOpenApiOperationObject {
  const params = {
    ...(route.params ? { path: route.params } : {}),
    ...(route.query ? { query: route.query } : {}),
    ...(route.headers ? { header: route.headers } : {}),
  };
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description || route.scope
      ? {
          description: [route.description, route.scope ? `Scope: \`${route.scope}\`.` : '']
            .filter(Boolean)
            .join('\n\n'),
        }
      : {}),
    security: route.scope === null ? (route.signed ? [{ webhookSignature: [] }] : []) : [{ apiKey: [] }],
    ...(Object.keys(params).length > 0 ? { requestParams: params as never } : {}),
    ...(route.body
      ? {
          requestBody: {
            required: route.bodyOptional !== true,
            content: { 'application/json': { schema: route.body } },
          },
        }
      : {}),
    responses: { ...toResponses(route), ...toProblemResponses(route) },
  };
}

function toResponses(route: Route): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, spec]) => [
      status,
      toResponse(spec, LINKS[route.operationId]?.[Number(status)]),
    ]),
  );
}

function toResponse(spec: ResponseSpec, links?: Readonly<Record<string, Link>>): ZodOpenApiResponseObject {
  const headers: Record<string, { description: string; schema: { type: 'string' } }> = {};
  for (const [name, description] of Object.entries(spec.headers ?? {})) {
    headers[name] = { description, schema: { type: 'string' } };
  }
  const content: ZodOpenApiContentObject = {
    ...(spec.body ? { 'application/json': { schema: spec.body } } : {}),
    ...(spec.page ? { 'text/html': { schema: { type: 'string' } } } : {}),
    ...(spec.stream ? { 'text/event-stream': { schema: { type: 'string', description: spec.stream } } } : {}),
  };
  return {
    description: spec.description,
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
    ...(Object.keys(content).length > 0 ? { content } : {}),
    ...(links ? { links: links as NonNullable<ZodOpenApiResponseObject['links']> } : {}),
  };
}

/** The server's own refusals, before any route is known: see client-errors.ts. */
const WIRE_PROBLEMS: readonly ProblemCode[] = ['request_timeout', 'headers_too_large'];
const FAILURE_PAGES: ZodOpenApiResponsesObject = Object.fromEntries(
  ([500, 503] as const).map((status) => [
    String(status),
    toResponse({ description: 'A page: something that is needed does not answer.', page: true }),
  ]),
);

/** Every refusal that a route can answer with as a problem. */
export function problemsOf(route: Route): readonly ProblemCode[] {
  // A browser's route answers what goes wrong in it with pages; what never reached it is the server's, as everywhere.
  if (route.forBrowsers) return WIRE_PROBLEMS;
  const writes = route.method !== 'get';
  return [
    'invalid_request',
    ...WIRE_PROBLEMS,
    ...(route.scope === null ? [] : (['unauthorized', 'forbidden', 'too_many_requests'] as const)),
    ...(writes ? (['body_too_large'] as const) : []),
    ...(writes && !route.signed ? (['unsupported_media_type'] as const) : []),
    ...(route.problems ?? []),
    'internal',
    'unavailable',
  ];
}

const LIMIT_HEADERS = Object.fromEntries(
  Object.entries({
    'Retry-After': 'Seconds.',
    RateLimit: 'Which limit, and when there is room again.',
    'RateLimit-Policy': 'That limit: `q` requests in `w` seconds.',
  }).map(([name, description]) => [name, { description, schema: { type: 'string' as const } }]),
);

function toProblemResponses(route: Route): ZodOpenApiResponsesObject {
  const byStatus = Map.groupBy(problemsOf(route), (code) => PROBLEMS[code].status);
  const problems = Object.fromEntries(
    [...byStatus]
      .filter(([status]) => !(status in route.responses))
      .map(([status, codes]) => [
        String(status),
        {
          description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
          ...(status === 429 ? { headers: LIMIT_HEADERS } : {}),
          content: { 'application/problem+json': { schema: problemSchema } },
        },
      ]),
  );
  return route.forBrowsers ? { ...FAILURE_PAGES, ...problems } : problems;
}
