import { describe, expect, test } from 'vitest';
import { requiresApproval } from '../../domain/approval.ts';
import { effectOf } from '../../domain/tool.ts';

describe('what a tool does, by its tags', () => {
  test.each<[string[], string]>([
    [['readOnlyHint'], 'read'],
    [['important', 'readOnlyHint', 'openWorldHint'], 'read'],
    [[], 'write'],
    [['destructiveHint'], 'write'],
    [['idempotentHint'], 'write'],
    [['readonlyhint'], 'write'],
    [['readOnlyHint', 'destructiveHint'], 'write'],
  ])('%j is a %s', (tags, effect) => {
    expect(effectOf(tags)).toBe(effect);
  });
});

describe('which calls need an approval', () => {
  const write = { tool: 'SLACK_SEND_MESSAGE', isWrite: true };
  const read = { tool: 'SLACK_LIST_CHANNELS', isWrite: false };
  test.each<[Parameters<typeof requiresApproval>[0], boolean, boolean]>([
    ['none', false, false],
    ['writes', true, false],
    [['SLACK_SEND_MESSAGE'], true, false],
    [['SLACK_LIST_CHANNELS'], false, true],
    [['SLACK_SEND'], false, false],
  ])('%j: a write %s, a read %s', (requirement, ofWrite, ofRead) => {
    expect(requiresApproval(requirement, write)).toBe(ofWrite);
    expect(requiresApproval(requirement, read)).toBe(ofRead);
  });
});
