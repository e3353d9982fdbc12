/** Headers of every answer: nothing of ours may be framed, scripted, cached or leak its address to another site. */
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import helmet from 'helmet';

/** What helmet sets is the same for every answer, and putting it together is a part of what a small one costs: it is asked once. */
export function createSecurityHeaders({ publicUrl }: { publicUrl: string }): RequestHandler {
  const headers: readonly (readonly [string, string])[] = [
    ...headersOf(createHelmet(publicUrl)),
    // Answers hold a user's data and pages hold single-use links; the style sheet overrides this.
    ['cache-control', 'no-store'],
  ];
  return (_req, res, next) => {
    for (const [name, value] of headers) res.setHeader(name, value);
    next();
  };
}

type Helmet = ReturnType<typeof helmet>;

/** @throws whatever helmet does of a setting. */
function headersOf(handler: Helmet): readonly (readonly [string, string])[] {
  const answer = new ServerResponse(new IncomingMessage(new Socket()));
  let failure: unknown;
  let isDone = false;
  handler(answer.req, answer, (error) => {
    isDone = true;
    failure = error;
  });
  if (failure !== undefined) throw failure as Error;
  if (!isDone) throw new Error('helmet does not answer at once');
  return Object.entries(answer.getHeaders()).map(([name, value]) => [name, String(value)]);
}

function createHelmet(publicUrl: string): Helmet {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
    strictTransportSecurity: publicUrl.startsWith('https:'),
  });
}
