/** Composio's error answers: the codes and slugs that the live API is known to use, and the envelope around them. */
import { randomUUID } from 'node:crypto';

export class WireError extends Error {
  override readonly name = 'WireError';
  readonly status: number;
  readonly code: number;
  readonly slug: string;
  readonly suggestedFix: string;

  constructor(
    message: string,
    details: { readonly status: number; readonly code: number; readonly slug: string; readonly fix?: string },
  ) {
    super(message);
    this.status = details.status;
    this.code = details.code;
    this.slug = details.slug;
    this.suggestedFix = details.fix ?? 'Check the request and try again';
  }
}

/** `{error:{message,code,slug,status,request_id,suggested_fix}}` */
export function wireErrorBody(error: WireError): string {
  return JSON.stringify({
    error: {
      message: error.message,
      code: error.code,
      slug: error.slug,
      status: error.status,
      request_id: randomUUID(),
      suggested_fix: error.suggestedFix,
    },
  });
}

export function badRequest(message: string): WireError {
  return new WireError(message, { status: 400, code: 400, slug: 'Common_BadRequest' });
}

export function routeNotFound(method: string, path: string): WireError {
  return new WireError(`Cannot ${method} ${path}`, { status: 404, code: 404, slug: 'HTTP_NotFound' });
}

export function unauthorized(): WireError {
  return new WireError('Invalid API key', {
    status: 401,
    code: 401,
    slug: 'HTTP_Unauthorized',
    fix: 'Send the project API key in the x-api-key header',
  });
}

export function forbidden(): WireError {
  return new WireError('Not from a browser', { status: 403, code: 403, slug: 'HTTP_Forbidden' });
}

export function toolNotFound(slug: string): WireError {
  return new WireError(`Unable to retrieve tool with slug ${slug}`, {
    status: 404,
    code: 2301,
    slug: 'Tool_ToolNotFound',
    fix: 'Check the tool slug and the toolkit version',
  });
}

export function toolkitNotFound(slug: string): WireError {
  return new WireError(`Toolkit ${slug} not found`, { status: 404, code: 4301, slug: 'Toolkit_NotFound' });
}

export function authConfigNotFound(id: string): WireError {
  return new WireError(`Auth config ${id} not found`, {
    status: 404,
    code: 3301,
    slug: 'AuthConfig_NotFound',
  });
}

export function accountNotFound(id: string): WireError {
  return new WireError(`Connected account ${id} not found`, {
    status: 404,
    code: 1803,
    slug: 'ConnectedAccount_ResourceNotFound',
  });
}

export function managedInitiateRetired(): WireError {
  return new WireError(
    'Creating connections for Composio-managed OAuth on this endpoint is no longer supported. Please use POST /api/v3.1/connected_accounts/link instead.',
    { status: 400, code: 600, slug: 'ConnectedAccount_BadRequest', fix: 'Use /connected_accounts/link' },
  );
}
