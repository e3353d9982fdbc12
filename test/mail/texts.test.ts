/** What users are mailed: the words, the link, and names that try to be more than names. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clean, reconnectMail } from '../../mail/texts.ts';

const link = { appName: 'Slack', reason: 'expired', url: 'https://b.example/connect/t' } as const;

describe('the mail', () => {
  test('of one app says what is the matter and has its link, as text and as HTML', () => {
    const mail = reconnectMail({ displayName: 'Alice', links: [link], waitingRuns: 0 });
    expect(mail.subject).toBe('Please reconnect Slack');
    expect(mail.text).toContain('Hello Alice,');
    expect(mail.text).toContain(
      'Your Slack connection has expired. Please reconnect in Settings > Integrations.\nReconnect Slack: https://b.example/connect/t',
    );
    expect(mail.text).not.toContain('task');
    expect(mail.html).toContain('<a href="https://b.example/connect/t">Reconnect Slack</a>');
    expect(mail.html).toContain('Settings &gt; Integrations');
  });

  test.each([
    [[link], 'Please reconnect Slack'],
    [[{ ...link, reason: 'missing' as const }], 'Please connect Slack'],
    [[link, { ...link, appName: 'Gmail', reason: 'missing' as const }], 'Please reconnect Slack and Gmail'],
    [[link, link, link], 'Please reconnect Slack and 2 other apps'],
  ])('of several apps names them: %#', (links, subject) => {
    expect(reconnectMail({ displayName: null, links, waitingRuns: 0 }).subject).toBe(subject);
  });

  test.each([
    [1, 'A task of yours waits for it'],
    [7, '7 tasks of yours wait for it'],
  ])('says that %i tasks wait', (waitingRuns, words) => {
    const mail = reconnectMail({ displayName: null, links: [link], waitingRuns });
    expect(mail.text).toContain(words);
    expect(mail.html).toContain(words);
    expect(mail.text).toMatch(/^Hello,\n/);
  });

  test('has no element and no line of a name’s own', () => {
    const displayName = `<img src=x onerror=alert(1)>\r\nBcc: all@example.com`;
    const appName = `"><script>alert(1)</script>\u202Eevil`;
    const mail = reconnectMail({ displayName, links: [{ ...link, appName }], waitingRuns: 2 });
    expect(mail.html).not.toMatch(/<(img|script)/);
    expect(mail.subject).not.toMatch(/[\r\n\u202E]/);
    expect(mail.text.split('\n')[0]).toBe('Hello <img src=x onerror=alert(1)> Bcc: all@example.com,');
  });

  test('holds for any names: one subject line of at most 200 characters, and only our own tags', () => {
    const anyName = fc.string({ unit: 'binary', maxLength: 300 });
    fc.assert(
      fc.property(anyName, anyName, (displayName, appName) => {
        const mail = reconnectMail({ displayName, links: [{ ...link, appName }], waitingRuns: 1 });
        expect(mail.subject).toMatch(/^[^\p{Cc}\p{Zl}\p{Zp}]{1,200}$/u);
        const tags = [...mail.html.matchAll(/<(\/?[^\s>]*)/g)].map((match) => match[1]);
        expect(new Set(tags)).toEqual(
          new Set(['!doctype', 'meta', 'p', '/p', 'br', 'a', '/a', 'small', '/small']),
        );
      }),
    );
  });

  test('cuts names without breaking a character', () => {
    expect(clean('😀'.repeat(100))).toBe('😀'.repeat(80));
    expect(clean('a\u0000b\n\nc')).toBe('a b c');
  });
});
