/**
 * A backend that uses Bellhop in verifier mode. Its users are logged in here, so it alone knows who came back from the provider's
 * consent page: Bellhop sends the browser to `/bellhop/verify`, and nothing goes on before this server confirms who it is.
 *
 * Bellhop runs with BELLHOP_VERIFIER_URL=<this server>/bellhop/verify and BELLHOP_WEBHOOK_URL=<this server>/bellhop/notices.
 * This server needs BELLHOP_URL, BELLHOP_API_KEY (scope `runs`), BELLHOP_WEBHOOK_SECRET and PORT.
 */
import { randomUUID } from 'node:crypto';
import express, { type Request, type Response } from 'express';
import { Webhook } from 'standardwebhooks';

const {
  BELLHOP_URL = 'http://localhost:8080',
  BELLHOP_API_KEY = '',
  BELLHOP_WEBHOOK_SECRET = '',
} = process.env;

type Answer = { readonly status: number; readonly body: Record<string, unknown> };

/** One call of Bellhop's API. A 503 says when to try again; this example leaves that to its caller. */
async function bellhop(method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(`${BELLHOP_URL}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${BELLHOP_API_KEY}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

/** Who is logged in, by session. A real backend has a login and a store; what matters is that it is not the browser that says who it is. */
const sessions = new Map<string, string>();

function userOf(req: Request): string | null {
  const cookie = /(?:^|;\s*)session=([\w-]+)/.exec(req.headers.cookie ?? '');
  return sessions.get(cookie?.[1] ?? '') ?? null;
}

const app = express();

/** Signing up registers the user with Bellhop, ahead of any use. Again with each login: it is idempotent. */
app.post('/login', express.json(), async (req: Request, res: Response) => {
  const { userId } = req.body as { userId: string };
  await bellhop('PUT', `/users/${encodeURIComponent(userId)}`, {});
  const session = randomUUID();
  sessions.set(session, userId);
  // Lax: the browser must bring it along when it comes from Bellhop's redirect.
  res.cookie('session', session, { httpOnly: true, sameSite: 'lax' }).json({ userId });
});

/** Does something in the user's name. Whose name is this server's to say: the browser sends the task and nothing else. */
app.post('/tasks', express.json(), async (req: Request, res: Response) => {
  const userId = userOf(req);
  if (userId === null) return void res.status(401).json({ error: 'log in first' });
  const { task } = req.body as { task: string };
  const run = { userId, task, tools: ['SLACK_SEND_MESSAGE'] };
  const { status, body } = await bellhop('POST', '/runs', run);
  // `waitingFor` has a sentence for the user and the link that connects the missing app.
  res.status(status).json(body);
});

/** Where Bellhop sends the browser after the consent. */
app.get('/bellhop/verify', async (req: Request, res: Response) => {
  const userId = userOf(req);
  if (userId === null) return void res.status(401).send('Log in, then open your connect link again.');
  const { flow, code } = req.query as { flow: string; code: string };
  const { status } = await bellhop('POST', `/connections/${encodeURIComponent(flow)}/confirm`, {
    userId,
    code,
  });
  if (status === 200) return void res.send('Connected. You can close this window.');
  // 409: the link was somebody else's, or was used already. The account that was connected with it is deleted.
  res.status(status).send('This link is not yours, or was used already.');
});

/** What Bellhop has told, newest last: here a list, in a real backend the user's page or mail. */
const notices: unknown[] = [];

/** Signed notices. The signature is over the bytes as they came, so the body is read raw. */
app.post('/bellhop/notices', express.raw({ type: '*/*' }), (req: Request, res: Response) => {
  const body = (req.body as Buffer).toString('utf8');
  try {
    notices.push(new Webhook(BELLHOP_WEBHOOK_SECRET).verify(body, req.headers as Record<string, string>));
  } catch {
    return void res.status(401).end();
  }
  // Answered at once; a notice that is not answered with 2xx comes again, with the same webhook-id.
  res.status(204).end();
});

app.get('/notices', (_req: Request, res: Response) => void res.json(notices));

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  console.log(`listens on ${JSON.stringify(server.address())}`);
});
