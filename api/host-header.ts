/** RFC 9112, 3.2: a request without Host, or with two, is refused. A proxy and we could disagree about where it goes. */
import type { RequestHandler } from 'express';
import { invalid } from './problem-codes.ts';

export const requireOneHost: RequestHandler = (req, _res, next) => {
  const hosts = req.headersDistinct['host'] ?? [];
  if (hosts.length > 1) throw invalid('header/host', 'is given more than once');
  if (hosts.length === 0 && req.httpVersion !== '1.0') throw invalid('header/host', 'is missing');
  next();
};
