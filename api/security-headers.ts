/** Headers of every answer: nothing of ours may be framed, scripted, cached or leak its address to another site. */
import type { RequestHandler } from 'express';
import helmet from 'helmet';

export function createSecurityHeaders({ publicUrl }: { publicUrl: string }): RequestHandler[] {
  return [
    helmet({
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
    }),
    (_req, res, next) => {
      // Answers hold a user's data and pages hold single-use links; the style sheet overrides this.
      res.setHeader('cache-control', 'no-store');
      next();
    },
  ];
}
