/**
 * Vitest's global setup: opens the door through which test files ask for the shared parts, and stops those at the end.
 * It starts none itself, so that a run of pure unit tests waits for nothing.
 */
import { createServer } from 'node:http';
import type { TestProject } from 'vitest/node';
import { createGround } from './ground.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    groundUrl: string;
  }
}

/** Vitest calls it once before the first file; it gives the teardown. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const ground = createGround();
  const routes: Record<string, (body: string) => Promise<unknown>> = {
    '/create-database': () => ground.createDatabase(),
    '/drop-database': (name) => ground.dropDatabase(name),
    '/temporal-address': () => ground.temporalAddress(),
    '/workflow-bundle': () => ground.workflowBundle(),
  };
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      try {
        const answer = await routes[request.url ?? '']?.(body);
        response.end(JSON.stringify(answer ?? null));
      } catch (error) {
        response.statusCode = 500;
        response.end(error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  project.provide('groundUrl', `http://127.0.0.1:${address.port}`);
  return async () => {
    server.closeAllConnections();
    server.close();
    await ground.stop();
  };
}
