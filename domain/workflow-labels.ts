/**
 * What stands on each workflow in the Temporal UI, and whose share of the workers it takes. Ids, names and counts only: none
 * of it is encrypted, and everybody who may open the UI reads it.
 */

export type WorkflowLabels = {
  readonly staticSummary: string;
  /** Markdown. */
  readonly staticDetails: string;
  readonly priority: { readonly priorityKey: number; readonly fairnessKey: string };
};

/** The server takes 400 bytes of a summary; what stands in ours is ASCII. */
const MOST_SUMMARY = 200;
/** The server takes 64 bytes of a fairness key; a user id has up to 128. */
const MOST_KEY = 64;
/**
 * Smaller comes first, and while there is any of it nothing of the next is given out. A person looks at a connection flow;
 * notices can wait for runs, and nobody waits for the audit.
 */
const PRIORITY = { flow: 2, run: 3, notice: 4, background: 5 } as const;

export function labelRun(run: {
  readonly id: string;
  readonly userId: string;
  readonly apps?: readonly string[];
}): WorkflowLabels {
  return labels(`run for ${run.userId}`, PRIORITY.run, fairnessKey(run.userId), {
    run: run.id,
    user: run.userId,
    ...(run.apps === undefined ? {} : { apps: run.apps.length === 0 ? 'none' : run.apps.join(', ') }),
  });
}

export function labelFlow(flow: {
  readonly id: string;
  readonly userId: string;
  readonly app: string;
}): WorkflowLabels {
  return labels(`connect ${flow.app} for ${flow.userId}`, PRIORITY.flow, fairnessKey(flow.userId), {
    flow: flow.id,
    app: flow.app,
    user: flow.userId,
  });
}

export function labelDelivery(delivery: {
  readonly noticeId: string;
  readonly userId: string;
  readonly channel: 'webhook' | 'mail';
}): WorkflowLabels {
  const { noticeId, userId, channel } = delivery;
  const what = channel === 'mail' ? 'mail' : 'notice';
  return labels(`${what} to ${userId}`, PRIORITY.notice, fairnessKey(userId), {
    notice: noticeId,
    user: userId,
    channel,
  });
}

/** Without an id: the Schedule's. */
export function labelAudit(audit: { readonly id?: string; readonly mode: string }): WorkflowLabels {
  return labels(`audit (${audit.mode})`, PRIORITY.background, 'bellhop:audit', {
    ...(audit.id === undefined ? {} : { audit: audit.id }),
    mode: audit.mode,
  });
}

/** In the runs' own priority: what it mends are runs. */
export function labelSweep(): WorkflowLabels {
  return labels('sweep', PRIORITY.run, 'bellhop:sweep', {
    does: 'finds what got lost: starts, wake-ups, ends, deliveries',
  });
}

/**
 * A user's share of its own, as for a run of theirs, under the erasure's id: what is erased is named nowhere in its workflow.
 * Among the runs, for those who asked to be forgotten must not wait for as long as there is any other work.
 */
export function labelErasure(erasureId: string): WorkflowLabels {
  return labels('erasure of a user', PRIORITY.run, `bellhop:erasure:${erasureId}`.slice(0, MOST_KEY), {
    erasure: erasureId,
  });
}

export function labelRetention(): WorkflowLabels {
  return labels('retention', PRIORITY.background, 'bellhop:retention', {
    does: 'deletes what is over and old, gives its space back',
  });
}

export function labelWebhookEvents(): WorkflowLabels {
  return labels('events of Composio’s webhook', PRIORITY.background, 'bellhop:webhook-events', {
    does: 'looks into what Composio told, batch by batch',
  });
}

/** One user's share. No user id has a colon, so that ours above are nobody's. */
export function fairnessKey(userId: string): string {
  if (userId.length <= MOST_KEY) return userId;
  const digest = fnv1a(userId);
  return `${userId.slice(0, MOST_KEY - digest.length - 1)}~${digest}`;
}

function labels(
  summary: string,
  priorityKey: number,
  fairness: string,
  details: Readonly<Record<string, string>>,
): WorkflowLabels {
  return {
    staticSummary: summary.slice(0, MOST_SUMMARY),
    staticDetails: Object.entries(details)
      .map(([name, value]) => `- ${name}: \`${value}\``)
      .join('\n'),
    priority: { priorityKey, fairnessKey: fairness },
  };
}

/** FNV-1a, 64 bits: users whose long ids begin alike must not share one share. No secret depends on it. */
function fnv1a(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const character of text)
    hash = ((hash ^ BigInt(character.charCodeAt(0))) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash.toString(16).padStart(16, '0');
}
