/** Requests and responses are Express's own from the beginning (api/message-classes.ts): Express has nothing to change in them. */
import express from 'express';
import { expect, test } from 'vitest';
import { startServer } from '../../api/server.ts';

test('an object is of the app’s prototype before Express sees it, and can all that Express’s can', async () => {
  const app = express();
  const seen: boolean[] = [];
  const server = await startServer(app, 0);
  const { handle } = app as unknown as { handle: (...args: unknown[]) => void };
  Object.assign(app, {
    handle: (req: object, res: object, ...rest: unknown[]) => {
      seen.push(Object.getPrototypeOf(req) === app.request, Object.getPrototypeOf(res) === app.response);
      handle.call(app, req, res, ...rest);
    },
  });
  app.post('/a/:name', (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () =>
      res.status(201).json({
        name: req.params.name,
        is: req.is('text/*'),
        ip: req.ip,
        body: Buffer.concat(chunks).toString(),
      }),
    );
  });
  try {
    const url = `http://127.0.0.1:${server.port}/a/b`;
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'words',
    });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toEqual({
      name: 'b',
      is: 'text/plain',
      ip: '::ffff:127.0.0.1',
      body: 'words',
    });
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([404, '']);
    expect(seen).toEqual([true, true, true, true]);
  } finally {
    await server.close();
  }
});
