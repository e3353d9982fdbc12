/**
 * The metrics of Temporal's own runtime. It serves them on a port of its own; that one is on loopback and ours takes what it
 * says over, so that a worker has one address to scrape.
 */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** The runtime answers from memory. */
const PATIENCE_MS = 2_000;

export type TemporalMetrics = { readonly bindAddress: string; read(): Promise<string> };

/** Finds a free port of loopback; the runtime takes it a moment later. */
export async function prepareTemporalMetrics(): Promise<TemporalMetrics> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  const bindAddress = `127.0.0.1:${port}`;
  return {
    bindAddress,
    read: async () => {
      try {
        const signal = AbortSignal.timeout(PATIENCE_MS);
        const answer = await fetch(`http://${bindAddress}/metrics`, { signal });
        return answer.ok ? await answer.text() : '';
      } catch {
        // What is ours to tell must not be lost with it.
        return '';
      }
    },
  };
}
