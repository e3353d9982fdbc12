/** Bare activities: fetch and pg, the same requests with bodies of the same size and as many transactions as Bellhop's, no checks at all. */
import pg from 'pg';

export type BareDeps = {
  readonly databaseUrl: string;
  readonly composioUrl: string;
  readonly modelUrl: string;
  readonly task: string;
  /** As long as Bellhop's own, so that both sides send bodies of one size. */
  readonly system: string;
};
type Key = { readonly runId: string; readonly userId: string };

export function createBareActivities(deps: BareDeps) {
  const pool = new pg.Pool({ connectionString: deps.databaseUrl, max: 16 });
  const commit = async (transactions: number, run: string): Promise<void> => {
    for (let i = 0; i < transactions; i += 1) {
      const client = await pool.connect();
      try {
        await client.query('begin');
        await client.query('insert into bare (run, note) values ($1, $2)', [run, 'x'.repeat(200)]);
        await client.query('commit');
      } finally {
        client.release();
      }
    }
  };
  const composio = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${deps.composioUrl}/api/v3.1/${path}`, {
      method,
      headers: { 'x-api-key': 'sandbox-composio-key', 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Record<string, unknown>;
  };
  const accountOf = async (userId: string): Promise<string> => {
    const page = await composio('GET', `connected_accounts?user_ids=${userId}&toolkit_slugs=slack&limit=100`);
    return (page['items'] as { id: string }[])[0]?.id ?? '';
  };
  let tool: unknown = null;
  let lastResult: unknown = null;
  const offered = async (): Promise<unknown> => {
    const page = await composio('GET', 'tools?tool_slugs=SLACK_SEND_MESSAGE&toolkit_versions=latest&limit=1');
    const [item] = page['items'] as { slug: string; description: string; input_parameters: unknown }[];
    const { slug: name, description, input_parameters: parameters } = item ?? {};
    return { type: 'function', function: { name, description, parameters } };
  };
  return {
    async begin({ runId, userId }: Key): Promise<void> {
      tool ??= await offered();
      await accountOf(userId);
      await commit(TRANSACTIONS.begin, runId);
    },
    async model({ runId, turn }: Key & { turn: number }): Promise<void> {
      const past = Array.from({ length: turn - 1 }, (_, i) => [
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: `call_${i + 1}_0`,
              type: 'function',
              function: {
                name: 'SLACK_SEND_MESSAGE',
                arguments: '{"channel":"general","markdown_text":"hello"}',
              },
            },
          ],
        },
        {
          role: 'tool',
          tool_call_id: `call_${i + 1}_0`,
          content: JSON.stringify({ status: 'done', untrusted_result: lastResult }),
        },
      ]).flat();
      const response = await fetch(`${deps.modelUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer sandbox-model-key', 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'bench',
          messages: [{ role: 'system', content: deps.system }, { role: 'user', content: deps.task }, ...past],
          tools: [tool],
        }),
      });
      await response.json();
      await commit(TRANSACTIONS.model, runId);
    },
    async tool({ runId, userId }: Key & { turn: number }): Promise<void> {
      const accountId = await accountOf(userId);
      const answer = await composio('POST', 'tools/execute/SLACK_SEND_MESSAGE', {
        user_id: userId,
        connected_account_id: accountId,
        arguments: { channel: 'general', markdown_text: 'hello' },
      });
      lastResult = answer['data'];
      await commit(TRANSACTIONS.tool, runId);
    },
  };
}

/** As many as Bellhop's activities make; `npm run bench -- overhead` counts both sides. */
const TRANSACTIONS = { begin: 3, model: 2, tool: 3 } as const;

export type BareActivities = ReturnType<typeof createBareActivities>;
