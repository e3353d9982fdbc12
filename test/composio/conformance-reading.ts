/** The port's conformance: what it reads of the catalogue and of accounts, and how it opens and deletes connections. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_API_KEY } from '../../sandbox/composio/options.ts';
import type { MakePort, Stage } from './conformance-stage.ts';
import { knownTool, lastSeq } from './conformance-stage.ts';
import { failureOf } from './fixtures.ts';

export function describeCatalogue(stage: Stage): void {
  describe('catalogue', () => {
    it('describes a tool with its app, version, tags and schema', async () => {
      const tool = await knownTool(stage.port, 'SLACK_SEND_MESSAGE');
      expect(tool).toMatchObject({
        slug: 'SLACK_SEND_MESSAGE',
        app: 'slack',
        appName: 'Slack',
        noAuth: false,
      });
      expect(tool.version).toMatch(/^\d{8}_\d\d$/);
      expect(tool.parameters).toMatchObject({ type: 'object', required: ['channel'] });
      expect((await knownTool(stage.port, 'SLACK_LIST_CHANNELS')).tags).toContain('readOnlyHint');
    });

    it('leaves unknown slugs out, keeps the order asked for, and makes no request for what cannot be a slug', async () => {
      const tools = await stage.port.getTools(['GMAIL_SEND_EMAIL', 'NO_SUCH_TOOL', 'SLACK_SEND_MESSAGE']);
      expect(tools.map((t) => t.slug)).toEqual(['GMAIL_SEND_EMAIL', 'SLACK_SEND_MESSAGE']);
      const since = await lastSeq(stage.control);
      expect(await stage.port.getTools(['../auth_configs', '', 'A,B'])).toEqual([]);
      expect(await stage.control.countRequests({ since })).toBe(0);
    });

    it('asks Composio once for a tool, however many ask at once and again', async () => {
      const since = await lastSeq(stage.control);
      await Promise.all(Array.from({ length: 10 }, () => stage.port.getTools(['GMAIL_FETCH_EMAILS'])));
      await stage.port.getTools(['GMAIL_FETCH_EMAILS']);
      expect(await stage.control.countRequests({ since, route: 'tools.list' })).toBe(1);
    });

    it('offers tools in the OpenAI shape, without any file parameter', async () => {
      const offered = await stage.port.forEntity('alice').tools(['SLACK_UPLOAD_FILE', 'NO_SUCH_TOOL']);
      expect(offered).toHaveLength(1);
      expect(offered[0]).toMatchObject({ type: 'function', function: { name: 'SLACK_UPLOAD_FILE' } });
      const parameters = offered[0]?.function.parameters as { properties: object; required: string[] };
      expect(Object.keys(parameters.properties)).toEqual(['channel', 'initial_comment']);
      expect(parameters.required).toEqual(['channel']);
    });

    it('knows a toolkit, one without auth, and null for none', async () => {
      expect(await stage.port.getToolkit('Slack')).toEqual({ app: 'slack', name: 'Slack', noAuth: false });
      expect((await stage.port.getToolkit('hackernews'))?.noAuth).toBe(true);
      expect(await stage.port.getToolkit('nosuchapp')).toBeNull();
    });

    it('pings with one request', async () => {
      const since = await lastSeq(stage.control);
      await stage.port.ping();
      expect(await stage.control.countRequests({ since })).toBe(1);
    });
  });
}

export function describeConnections(stage: Stage): void {
  describe('connections', () => {
    it('lists every account of the entity in every status and nobody else', async () => {
      await stage.control.seedAccounts([
        { userId: 'lister', app: 'slack', status: 'ACTIVE' },
        { userId: 'lister', app: 'gmail', status: 'EXPIRED', statusReason: 'refresh failed' },
        { userId: 'lister', app: 'github', status: 'INITIATED' },
        { userId: 'lister2', app: 'slack', status: 'ACTIVE' },
      ]);
      const all = await stage.port.forEntity('lister').connections(null);
      expect(all.map((a) => `${a.app} ${a.status}`).sort()).toEqual([
        'github INITIATED',
        'gmail EXPIRED',
        'slack ACTIVE',
      ]);
      expect(all.every((a) => a.entityId === 'lister')).toBe(true);
      expect(all.find((a) => a.app === 'gmail')?.statusReason).toBe('refresh failed');
      const gmail = await stage.port.forEntity('lister').connections(['GMAIL']);
      expect(gmail.map((a) => a.app)).toEqual(['gmail']);
    });

    it('makes no request for an empty list of apps', async () => {
      const since = await lastSeq(stage.control);
      expect(await stage.port.forEntity('lister').connections([])).toEqual([]);
      expect(await stage.port.listConnections({ entityIds: [] })).toEqual({ items: [], nextCursor: null });
      expect(await stage.control.countRequests({ since })).toBe(0);
    });

    it('follows all pages', async () => {
      await stage.control.seedAccounts(
        Array.from({ length: 45 }, () => ({ userId: 'paged', app: 'slack', status: 'EXPIRED' as const })),
      );
      await stage.control.updateSettings({ maxPageSize: 20 });
      const accounts = await stage.port.forEntity('paged').connections(['slack']);
      await stage.control.updateSettings({ maxPageSize: 1000 });
      expect(new Set(accounts.map((a) => a.id)).size).toBe(45);
    });

    it('pages across users by status for the audit', async () => {
      await stage.control.seedAccounts([
        { userId: 'audit-1', app: 'notion', status: 'EXPIRED' },
        { userId: 'audit-2', app: 'notion', status: 'FAILED' },
        { userId: 'audit-3', app: 'notion', status: 'ACTIVE' },
      ]);
      const query = {
        entityIds: ['audit-1', 'audit-2', 'audit-3'],
        statuses: ['EXPIRED', 'FAILED'],
        limit: 1,
      } as const;
      const first = await stage.port.listConnections(query);
      expect(first.items).toHaveLength(1);
      const second = await stage.port.listConnections({ ...query, cursor: first.nextCursor ?? '' });
      expect([...first.items, ...second.items].map((a) => a.entityId).sort()).toEqual(['audit-1', 'audit-2']);
    });

    it('reads one account, and null for none', async () => {
      const seeded = await stage.control.seedAccount({ userId: 'single', app: 'slack' });
      expect(await stage.port.getConnection(seeded.id)).toMatchObject({ id: seeded.id, entityId: 'single' });
      expect(await stage.port.getConnection('ca_none')).toBeNull();
    });

    it("deletes its own account, finds a gone one deleted, and refuses another entity's without deleting it", async () => {
      const seeded = await stage.control.seedAccount({ userId: 'owner', app: 'slack' });
      const failure = await failureOf(stage.port.forEntity('thief').disconnect(seeded.id));
      expect(failure).toMatchObject({ kind: 'tenant_violation', outcome: 'not_sent' });
      expect(await stage.port.getConnection(seeded.id)).not.toBeNull();
      await stage.port.forEntity('owner').disconnect(seeded.id);
      expect(await stage.port.getConnection(seeded.id)).toBeNull();
      await stage.port.forEntity('owner').disconnect(seeded.id);
    });
  });
}

export function describeConnecting(stage: Stage, makePort: MakePort): void {
  describe('connecting', () => {
    it('mints a link whose account becomes ACTIVE for this entity after consent', async () => {
      const authConfigId = await stage.port.resolveAuthConfig('slack');
      const link = await stage.port
        .forEntity('newcomer')
        .connect({ app: 'slack', authConfigId, callbackUrl: 'http://127.0.0.1:1/oauth/callback/x?state=s' });
      expect(Date.parse(link.expiresAt ?? '')).toBeGreaterThan(Date.now());
      expect(await stage.port.getConnection(link.accountId)).toMatchObject({
        entityId: 'newcomer',
        app: 'slack',
        status: 'INITIATED',
      });
      const consent = await stage.control.consent(link.redirectUrl, 'approve');
      expect(consent.location).toContain('/oauth/callback/x?state=s');
      expect((await stage.port.getConnection(link.accountId))?.status).toBe('ACTIVE');
    });

    it('creates one auth config for an app however many ask at once, and finds it again', async () => {
      const since = await lastSeq(stage.control);
      const ids = await Promise.all(Array.from({ length: 8 }, () => stage.port.resolveAuthConfig('notion')));
      expect(new Set(ids).size).toBe(1);
      expect(await stage.control.countRequests({ since, route: 'auth_configs.create' })).toBeLessThanOrEqual(
        1,
      );
      expect(await stage.port.resolveAuthConfig('notion')).toBe(ids[0]);
    });

    it('prefers the configured auth config, else the newest enabled one', async () => {
      await stage.control.putAuthConfig('ac_old', { app: 'github' });
      await stage.control.putAuthConfig('ac_new', { app: 'github' });
      await stage.control.putAuthConfig('ac_off', { app: 'github', disabled: true });
      expect(await stage.port.resolveAuthConfig('github')).toBe('ac_new');
      const configured = makePort({
        apiKey: DEFAULT_API_KEY,
        baseUrl: stage.sandbox.url,
        authConfigs: new Map([['GitHub', 'ac_old']]),
      });
      const since = await lastSeq(stage.control);
      expect(await configured.resolveAuthConfig('github')).toBe('ac_old');
      expect(await stage.control.countRequests({ since })).toBe(0);
    });
  });
}
