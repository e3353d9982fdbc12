/** How a test file asks the runner's process for a shared part. Used by database.ts and temporal.ts, not by tests. */
import { request } from 'node:http';
import { inject } from 'vitest';

/** Throws with the runner's own reason. No deadline here: the first one to ask may wait for a server to start. */
export function askGround<T>(path: string, body = ''): Promise<T> {
  return new Promise((resolve, reject) => {
    const call = request(new URL(path, inject('groundUrl')), { method: 'POST', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as T);
        else reject(new Error(`the test ground cannot answer ${path}: ${text}`));
      });
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}
