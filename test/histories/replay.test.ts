/** Recorded histories run against the workflows as they are now: a change that breaks a run which waits for days fails here. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { testWorkflowBundle } from '../setup/temporal.ts';
import { replay, savedHistories } from './replay.ts';

const histories = savedHistories();
let code: string;
beforeAll(async () => {
  code = readFileSync(await testWorkflowBundle(), 'utf8');
});

describe('recorded histories', () => {
  test('are there for every workflow, and hold no process, host or secret', () => {
    const types = histories.map(({ name }) => name.split(/-(?=waits|completes|polls|cancelled|connection-timeout|fails|turn|expires|runs|busy|delivers)/)[0]);
    expect(new Set(types)).toEqual(
      new Set([
        'agent-run',
        'connect-account',
        'audit-connections',
        'deliver-notice',
        'settle-webhook-events',
        'sweep',
        'erase-user',
        'retention',
      ]),
    );
    expect(JSON.stringify(histories)).not.toMatch(/"identity"|whsec_|sandbox-composio-key|markdown_text/);
  });

  test('replay against the current workflows, each of them', async () => {
    const errors = await replay({ code }, histories);
    expect(Object.fromEntries(errors)).toEqual(Object.fromEntries(histories.map(({ name }) => [name, null])));
    // Some thirty workers, one after the other.
  }, 300_000);
});

describe('a workflow that was broken on purpose', () => {
  test.each<[string, string, string, string]>([
    ['another activity first', 'gate.beginRun.executeWithOptions(', 'gate.beginRunAnew.executeWithOptions(', 'agent-run'],
    ['no look at the rows after a wake', '.resumesByRows)', '.resumesNever)', 'agent-run-completes-after-a-row'],
    ['a further activity before the model', 'model.callModel.executeWithOptions(', 'model.askModel.executeWithOptions(', 'agent-run-completes'],
    ['another activity in the poll', 'flows.checkFlow.executeWithOptions(', 'flows.checkFlowAnew.executeWithOptions(', 'connect-account'],
    ['no look at the row after a hint', 'hints > rowSeen', 'hints > 99', 'connect-account'],
    ['a look although nothing was to be seen', 'if (input.quietUntil !== undefined)', 'if (input.quietUntil === 1)', 'connect-account-waits-quietly'],
    ['a tag that is not patched', 'isTold || !', 'isTold && !', 'agent-run-completes-with-an-unknown-outcome'],
    ['no wait between attempts', 'WAITS_MS[attempt]', 'WAITS_MS[99]', 'deliver-notice'],
    ['another activity in the audit', 'audit.auditUsers(', 'audit.auditEverybody(', 'audit-connections-completes'],
    ['another activity for the webhook’s events', 'events.settleWebhookEvents.executeWithOptions(', 'events.settleOthers.executeWithOptions(', 'settle-webhook-events'],
    ['another activity in the sweep', 'sweeper.sweepAll.executeWithOptions(', 'sweeper.sweepSome.executeWithOptions(', 'sweep'],
    ['another order in the erasure', 'erase.deleteExecutions.executeWithOptions(', 'erase.deleteRows2.executeWithOptions(', 'erase-user'],
    ['another activity in retention', 'keeper.applyRetention.executeWithOptions(', 'keeper.applyAll.executeWithOptions(', 'retention'],
  ])('(%s) fails the replay', async (_name, from, to, prefix) => {
    expect(code.split(from)).toHaveLength(2);
    const affected = histories.filter(({ name }) => name.startsWith(prefix));
    const errors = await replay({ code: code.replace(from, to) }, affected);
    expect(errors.size).toBeGreaterThan(0);
    const failed = [...errors.values()].filter((error) => error !== null);
    expect(failed.length).toBeGreaterThan(0);
    for (const error of failed) expect(error).toMatch(/nondeterminism|Nondeterminism/i);
  });
});
