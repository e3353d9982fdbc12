/**
 * A route is one constant: where it is, what it takes (zod), what it may answer (zod), and what it does. The document,
 * the parsing of requests and the types of handlers all come from it. Handlers know nothing of Express.
 */
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Principal, Scope } from './auth.ts';
import type { ApiDeps } from './deps.ts';
import type { EventSink } from './send-stream.ts';
import type { ProblemCode } from './problem-codes.ts';

export const METHODS = ['get', 'put', 'post', 'delete'] as const;
export type Method = (typeof METHODS)[number];

export const TAGS = [
  'Users',
  'Connections',
  'Connect (browser)',
  'Runs',
  'Audits',
  'Notices',
  'Webhooks in',
  'Keys and records',
  'Health',
] as const;

export type ResponseSpec = {
  readonly description: string;
  /** Schema of a JSON body. */
  readonly body?: z.ZodType;
  /** The body is an HTML page. */
  readonly page?: true;
  /** To those who accept it more than JSON: a stream of server-sent events instead; what it says. */
  readonly stream?: string;
  /** Header name → what it says. */
  readonly headers?: Readonly<Record<string, string>>;
};
export type Responses = Readonly<Record<number, ResponseSpec>>;

export type RouteRequest<P, Q, H, B, S> = {
  readonly params: P;
  readonly query: Q;
  readonly headers: H;
  readonly body: B;
  /** As it came, on signed routes; else empty. */
  readonly rawBody: Buffer;
  /** Null exactly on routes without a scope. */
  readonly principal: S extends null ? null : Principal;
  readonly requestId: string;
  /** `Host` as the client sent it, and the raw `Cookie` header: for the pages of the connect flow. */
  readonly host: string;
  /** `X-Forwarded-Host`. Anybody can write it: it may widen nothing. */
  readonly forwardedHost: string;
  readonly cookie: string;
  /** The client's choice of these media types, by its Accept header; the first when it has none, null when it takes none. */
  readonly prefers: (types: readonly string[]) => string | null;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** The same, for work that outlives the answer: it keeps neither request nor response. */
  readonly logLater: () => Logger;
};

type Headers = Readonly<Record<string, string | readonly string[]>>;
type Stream = { readonly stream: (sink: EventSink) => Promise<void> };
type BodyOf<Spec> = Spec extends { body: infer B extends z.ZodType }
  ? { readonly body: z.input<B> } | (Spec extends { stream: string } ? Stream : never)
  : Spec extends { page: true }
    ? { readonly page: string }
    : unknown;

/** Any of the documented answers: the status decides the type of the body. */
export type Answer<R extends Responses> = {
  [K in keyof R & number]: {
    readonly status: K;
    readonly headers?: Headers;
    /** Whom it is about, for the log line, where the body does not say. */
    readonly userId?: string;
  } & BodyOf<R[K]>;
}[keyof R & number];

export type AnyAnswer = {
  status: number;
  headers?: Headers;
  userId?: string;
  body?: unknown;
  page?: string;
  stream?: Stream['stream'];
};

type Shape = z.ZodType<Record<string, unknown>>;

export type RouteDefinition<
  P extends Shape,
  Q extends Shape,
  H extends Shape,
  B extends z.ZodType,
  R extends Responses,
  S extends Scope | null,
> = {
  readonly method: Method;
  /** OpenAPI style: `/v1/users/{userId}`. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: (typeof TAGS)[number];
  readonly summary: string;
  readonly description?: string;
  /** Null: no API key. */
  readonly scope: S;
  readonly params?: P;
  readonly query?: Q;
  /** Lower-case names. Only these are parsed; other headers are none of ours. */
  readonly headers?: H;
  readonly body?: B;
  /** The body is only options: no body at all means `{}`. */
  readonly bodyOptional?: true;
  /** Signed by Composio instead of a key: the handler gets `rawBody`, and proves who sent it. `body` is for the document only. */
  readonly signed?: true;
  /** HEAD would do what GET does, and a link preview must not do it. */
  readonly noHead?: true;
  readonly responses: R;
  /** Refusals of its own, besides those that any route has. */
  readonly problems?: readonly ProblemCode[];
  /** A browser's route: refusals are pages, and its URL is a secret. */
  readonly forBrowsers?: true;
  readonly handler: (
    deps: ApiDeps,
    request: RouteRequest<z.output<P>, z.output<Q>, z.output<H>, z.output<B>, S>,
  ) => Promise<Answer<NoInfer<R>>>;
};

/** A route with its types forgotten, as the pipeline and the document see it. */
export type Route = Omit<
  RouteDefinition<Shape, Shape, Shape, z.ZodType, Responses, Scope | null>,
  'handler'
> & {
  readonly handler: (
    deps: ApiDeps,
    request: RouteRequest<unknown, unknown, unknown, unknown, Scope | null>,
  ) => Promise<AnyAnswer>;
};

type Nothing = z.ZodType<Record<string, never>>;

export function defineRoute<
  const R extends Responses,
  S extends Scope | null,
  P extends Shape = Nothing,
  Q extends Shape = Nothing,
  H extends Shape = Nothing,
  B extends z.ZodType = z.ZodType<undefined>,
>(definition: RouteDefinition<P, Q, H, B, R, S>): Route {
  // The pipeline calls the handler with exactly what these schemas have parsed, so forgetting the types loses nothing.
  return definition as unknown as Route;
}
