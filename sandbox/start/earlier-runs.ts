/** The runs of earlier starts, read through the public API as anybody would. Reads only; a failure is not worth a stop. */
import { get } from 'node:http';

export type EarlierRun = {
  readonly id: string;
  readonly status: string;
  readonly userId: string;
  readonly task: string;
  readonly createdAt: string;
};

/** The page is for a person's eyes after a start. */
const SHOWN = 5;
/** One small read of a local API; the addresses are already printed when it is slow. */
const TIMEOUT_MS = 5_000;

/** The newest runs first; empty when there are none or the API does not tell. */
export async function listEarlierRuns(apiUrl: string, apiKey: string): Promise<readonly EarlierRun[]> {
  try {
    const { items } = JSON.parse(await read(`${apiUrl}/v1/runs?limit=${SHOWN}`, apiKey)) as {
      items: EarlierRun[];
    };
    return items;
  } catch {
    return [];
  }
}

function read(url: string, apiKey: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent: false, timeout: TIMEOUT_MS, headers: { authorization: `Bearer ${apiKey}` } };
    const request = get(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
  });
}
