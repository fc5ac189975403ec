import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { z } from 'zod';
import { Audit } from '../src/audit/audit.service.js';
import { Database } from '../src/database/database.js';
import { newId } from '../src/database/ids.js';
import { Tool } from '../src/tools/tool.decorator.js';
import { Api, expectStatus, type RunBody, send, signIn, tokenFor } from './support/api.js';
import { type RunningApp, startApp } from './support/app.js';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { FakeUpstream } from './support/fake-upstream.js';
import { TEST_ENV, upstreamEnv } from './support/test-env.js';
import { Browser } from './support/oidc/browser.js';
import { CLIENT, TestProvider } from './support/oidc/identity-provider.js';
import { openSse } from './support/sse-client.js';
import { until } from './support/until.js';
import { openSocket, UpgradeRefused } from './support/ws-client.js';

/** Stands in everything that the audit must not repeat. */
const CANARY = 'c4n4ry';
const ROOT = { email: TEST_ENV.ADMIN_EMAIL, password: TEST_ENV.ADMIN_PASSWORD };

let database: Database;
let audit: Audit;

@Injectable()
class Tools {
  constructor(opened: Database, opening: Audit) {
    database = opened;
    audit = opening;
  }

  @Tool({ name: 'pay', description: 'Pays.', input: z.strictObject({ to: z.string() }), approval: 'always' })
  pay(): string {
    return `paid ${CANARY}`;
  }
}

/** A route that another team has added, and of which the audit knows nothing. */
@Controller('api/acme')
class AcmeController {
  @Post('things/:id/paint/:colour')
  paint(@Res() response: Response): void {
    response.status(200).json({ title: CANARY, id: 'not-an-id-of-ours' });
  }
}

class Around {}

interface Row {
  action: string;
  actor_id: string | null;
  actor_via: string | null;
  target: string | null;
  outcome: string;
  code: string | null;
  details: Record<string, unknown>;
  count: number;
  remote_address: string | null;
  user_agent: string | null;
  request_id: string | null;
  tenant_id: string | null;
  at: string;
  id: string;
}
interface Page {
  data: Row[];
  next_cursor: string | null;
}

let upstream: FakeUpstream;
let app: RunningApp;
let root: Api;
let rootId: string;
let ada: Api;
/** What all that was said so far. */
const seen = new Set<string>();

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  app = await startApp({ ...upstreamEnv(upstream.url), TRUST_PROXY: 'loopback' }, (application) => ({
    module: Around,
    imports: [application],
    providers: [Tools],
    controllers: [AcmeController],
  }));
  root = new Api(app.url, await tokenFor(app.url, ROOT.email, ROOT.password));
  ada = await Api.as(app.url, 'ada');
  rootId = (await root.call<{ id: string }>('GET', '/api/auth/me')).body.id;
  await news();
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

/** Rows of the tenant `default`, and of none, newest first. */
async function read(query: Record<string, string> = {}, as = root): Promise<Row[]> {
  const path = `/api/admin/audit?${new URLSearchParams({ limit: '200', ...query }).toString()}`;
  return expectStatus(await as.call<Page>('GET', path), 200).body.data;
}

/** What was written since this was asked last, the oldest first, reading aside. */
async function news(): Promise<Row[]> {
  const rows = (await read()).toReversed().filter(({ id }) => !seen.has(id));
  for (const { id } of rows) seen.add(id);
  return rows.filter(({ action }) => action !== 'audit.read');
}

/** A row in the words of the table below. */
function wordsOf({ action, actor_id, actor_via, target, outcome, code, details, count }: Row): unknown[] {
  return [action, actor_id, actor_via, target, outcome, code, details, count];
}

const actions = (rows: Row[]) => rows.map(({ action }) => action);

/** A run of ada's that waits until she decides. */
async function waitingRun(call: string): Promise<RunBody> {
  upstream.answer(({ body }) => {
    const isTold = JSON.stringify(body.messages.at(-1)).includes('tool_result');
    return {
      sse: isTold ? textReply(['Done.']) : toolReply([], [{ id: call, name: 'pay', input: { to: CANARY } }]),
    };
  });
  const run = await ada.post(await ada.createSession({ title: CANARY }), CANARY);
  return until('the run to wait', async () => {
    const now = await ada.run(run.id);
    return now.status === 'waiting' ? now : undefined;
  });
}

const browser = () => ({ origin: app.url, 'sec-fetch-site': 'same-origin' });
const login = (email: string, password: string, headers: Record<string, string> = browser()) =>
  send('POST', `${app.url}/api/auth/login`, { email, password }, headers);
const session = (run: RunBody) => ({ session_id: run.session_id });

describe('the audit', () => {
  it('has who came in, who did not, and who left', async () => {
    await login(ROOT.email, CANARY);
    await login(`Nobody-${CANARY.slice(0, 2)}@example.com`, CANARY);
    await login(`not an address ${CANARY}`, CANARY);
    const cookie = await signIn(app.url);
    await tokenFor(app.url, ROOT.email, ROOT.password);
    const ses = await root.createSession();
    await root.call('POST', '/api/auth/tickets', { session_id: ses });
    await send('POST', `${app.url}/api/auth/logout`, undefined, { ...browser(), cookie });
    await send('GET', `${app.url}/api/auth/me`, undefined, { cookie });
    await send('GET', `${app.url}/api/auth/me`, undefined, { authorization: `Bearer ${CANARY}` });

    const wrong = ['refused', 'invalid_credentials'];
    expect((await news()).map(wordsOf)).toEqual([
      ['auth.sign_in', null, null, rootId, ...wrong, { email: ROOT.email }, 1],
      ['auth.sign_in', null, null, null, ...wrong, { email: 'nobody-c4@example.com' }, 1],
      ['auth.sign_in', null, null, null, 'refused', 'invalid_request', {}, 1],
      ['auth.sign_in', rootId, null, rootId, 'allowed', null, {}, 1],
      ['auth.token', rootId, null, rootId, 'allowed', null, {}, 1],
      ['session.create', rootId, 'bearer', ses, 'allowed', null, {}, 1],
      ['auth.ticket', rootId, 'bearer', ses, 'allowed', null, {}, 1],
      ['auth.sign_out', rootId, 'cookie', null, 'allowed', null, {}, 1],
      ['GET /api/auth/me', null, null, null, 'refused', 'unauthenticated', {}, 1],
      ['GET /api/auth/me', null, null, null, 'refused', 'unauthenticated', {}, 1],
    ]);
  });

  it('has what users do to their sessions and runs, and who decides', async () => {
    const run = await waitingRun('toolu_1');
    const path = `/api/agent/runs/${run.id}/tool_calls/toolu_1/decision`;
    await ada.call('POST', path, { decision: 'approve', reason: CANARY });
    await ada.call('POST', path, { decision: 'deny', reason: CANARY });
    await ada.settled(run.id);
    await ada.cancel(run.id);
    await ada.call('PATCH', `/api/agent/sessions/${run.session_id}`, { title: CANARY, system: CANARY });
    await ada.call('PUT', `/api/agent/sessions/${run.session_id}/shares`, { with: ['bob'] });
    const fork = await ada.call<{ id: string }>('POST', `/api/agent/sessions/${run.session_id}/fork`);
    await ada.call('POST', `/api/agent/runs/${run.id}/revert`);
    upstream.answer(() => ({ sse: textReply(['Hi.']) }));
    const stream = await openSse(`${app.url}/api/agent/stream`, {
      headers: ada.authorization,
      body: { content: CANARY, session_id: fork.body.id },
    });
    const streamed = (JSON.parse((await stream.next())!.data) as { run_id: string }).run_id;
    await stream.ended;
    await ada.call('DELETE', `/api/agent/sessions/${fork.body.id}`);

    const by = ['ada', 'bearer'];
    const call = { tool_call_id: 'toolu_1' };
    expect((await news()).map(wordsOf)).toEqual([
      ['session.create', ...by, run.session_id, 'allowed', null, {}, 1],
      ['run.start', ...by, run.id, 'allowed', null, session(run), 1],
      ['tool_call.decide', ...by, run.id, 'allowed', null, { ...call, tool: 'pay', decision: 'approve' }, 1],
      ['tool_call.decide', ...by, run.id, 'refused', 'conflict', call, 1],
      ['run.cancel', ...by, run.id, 'allowed', null, {}, 1],
      ['session.change', ...by, run.session_id, 'allowed', null, {}, 1],
      ['session.share', ...by, run.session_id, 'allowed', null, { with: ['bob'] }, 1],
      ['session.fork', ...by, fork.body.id, 'allowed', null, session(run), 1],
      ['run.revert', ...by, run.id, 'allowed', null, {}, 1],
      ['run.start', ...by, streamed, 'allowed', null, { session_id: fork.body.id }, 1],
      ['session.delete', ...by, fork.body.id, 'allowed', null, {}, 1],
    ]);
  });

  it('has the same of sockets, and handshakes that were refused', async () => {
    const run = await waitingRun('toolu_2');
    await news();
    const mine = await ada.socket();
    const decide = { run_id: run.id, tool_call_id: 'toolu_2', decision: 'deny', reason: CANARY };
    await mine.ask('decide', decide);
    await mine.ask('cancel', { run_id: run.id });
    upstream.answer(() => ({ sse: textReply(['Hi.']) }));
    const started = await mine.ask('start', { content: CANARY, session_id: run.session_id });
    const eves = await (await Api.as(app.url, 'eve')).socket();
    await eves.ask('cancel', { run_id: run.id });
    await eves.ask('subscribe', { session_id: run.session_id });
    await eves.ask('subscribe', { session_id: '' });
    await mine.ask('subscribe', { session_id: run.session_id });
    await Promise.all([mine.close(), eves.close()]);
    await refused(openSocket(app.url, { headers: { authorization: `Bearer ${CANARY}` } }));
    const cookie = await signIn(app.url);
    await refused(
      openSocket(app.url, {
        headers: { cookie, origin: `https://${CANARY}.test`, 'x-forwarded-for': '198.51.100.8' },
      }),
    );

    const made = started.data['run'] as RunBody;
    const over = { transport: 'websocket' };
    const rows = await news();
    expect(rows.map(({ remote_address: from }) => from)).toEqual([
      ...Array.from({ length: 7 }, () => '127.0.0.1'),
      '198.51.100.8',
    ]);
    expect(rows.map(wordsOf)).toEqual([
      [
        'tool_call.decide',
        'ada',
        'bearer',
        run.id,
        'allowed',
        null,
        { tool_call_id: 'toolu_2', tool: 'pay', decision: 'deny', ...over },
        1,
      ],
      ['run.cancel', 'ada', 'bearer', run.id, 'allowed', null, over, 1],
      ['run.start', 'ada', 'bearer', made.id, 'allowed', null, { ...session(run), ...over }, 1],
      ['run.cancel', 'eve', 'bearer', run.id, 'refused', 'not_found', over, 1],
      ['stream.read', 'eve', 'bearer', run.session_id, 'refused', 'not_found', over, 1],
      ['socket.open', null, null, null, 'refused', 'unauthenticated', {}, 1],
      ['auth.sign_in', rootId, null, rootId, 'allowed', null, {}, 1],
      ['socket.open', rootId, 'cookie', null, 'refused', 'cross_site', {}, 1],
    ]);
  });

  it('has what administrators do and see', async () => {
    const account = {
      email: `eva-${newId('usr')}@example.com`,
      password: CANARY.repeat(3),
      roles: ['member'],
    };
    const eva = (await root.call<{ id: string }>('POST', '/api/admin/users', account)).body.id;
    await root.call('PATCH', `/api/admin/users/${eva}`, { roles: ['viewer'], disabled: true });
    await root.call('DELETE', `/api/admin/users/${eva}/sessions`);
    await root.call('GET', `/api/admin/users/${eva}`);
    await ada.call('GET', '/api/admin/users');
    await ada.call('PATCH', `/api/admin/users/${eva}`, { roles: ['admin'] });
    await root.call('POST', '/api/admin/mcp/tools/accept', {
      server: 'x',
      tool: 'y',
      fingerprint: '0'.repeat(64),
    });
    const service = await root.call<{ id: string }>('POST', '/api/admin/service_accounts', { name: CANARY });
    const keys = `/api/admin/service_accounts/${service.body.id}/keys`;
    const key = (await root.call<{ id: string }>('POST', keys, { name: CANARY, scopes: ['agent:read'] })).body
      .id;
    await root.call('DELETE', `/api/admin/keys/${key}`);
    await root.call('GET', '/api/agent/usage');
    await exported();

    const by = [rootId, 'bearer'];
    expect((await news()).map(wordsOf)).toEqual([
      ['user.create', ...by, eva, 'allowed', null, { tenant_id: 'default', roles: ['member'] }, 1],
      ['user.change', ...by, eva, 'allowed', null, { roles: ['viewer'], disabled: true }, 1],
      ['user.end_logins', ...by, eva, 'allowed', null, {}, 1],
      ['GET /api/admin/users/:id', ...by, eva, 'allowed', null, {}, 1],
      ['GET /api/admin/users', 'ada', 'bearer', null, 'refused', 'forbidden', {}, 1],
      ['user.change', 'ada', 'bearer', eva, 'refused', 'forbidden', {}, 1],
      ['mcp_tool.accept', ...by, null, 'refused', 'not_found', {}, 1],
      ['service_account.create', ...by, service.body.id, 'allowed', null, expect.any(Object), 1],
      ['key.create', ...by, key, 'allowed', null, expect.objectContaining({ scopes: ['agent:read'] }), 1],
      ['key.end', ...by, key, 'allowed', null, {}, 1],
      ['audit.export', ...by, null, 'allowed', null, {}, 1],
    ]);
  });

  it('has every refusal, where it comes from, and routes that it does not know', async () => {
    const ses = await ada.createSession();
    await news();
    const eve = await Api.as(app.url, 'eve');
    const headers = {
      'x-forwarded-for': '198.51.100.7',
      'user-agent': `probe\u009b ${'x'.repeat(300)} Bearer ${CANARY}`,
    };
    await eve.call('GET', `/api/agent/sessions/${ses}?note=${CANARY}`, undefined, headers);
    await eve.open({ session_id: ses });
    await eve.call('DELETE', `/api/agent/sessions/${ses}`);
    await eve.call('POST', `/api/agent/sessions/${ses}/fork`, `{"message_id":"${CANARY.repeat(50_000)}"}`);
    await eve.call('POST', `/api/agent/sessions/${ses}/messages`, CANARY, { 'content-type': 'text/plain' });
    await ada.call('POST', `/api/agent/sessions/${ses}/messages`, { content: CANARY, [CANARY]: 1 });
    await eve.call('POST', `/api/acme/things/a%00b/paint/red?x=${CANARY}`, { text: CANARY });
    await eve.call('GET', `/api/nothing/${CANARY}`);
    await eve.call('GET', `/.git/${CANARY}`);
    await ada.call('GET', `/api/agent/sessions/${ses}`);
    const rows = await news();
    const by = ['eve', 'bearer'];
    expect(rows.map(wordsOf)).toEqual([
      ['GET /api/agent/sessions/:id', ...by, ses, 'refused', 'not_found', {}, 1],
      ['stream.read', ...by, ses, 'refused', 'not_found', {}, 1],
      ['session.delete', ...by, ses, 'refused', 'not_found', {}, 1],
      ['session.fork', null, null, ses, 'refused', 'payload_too_large', {}, 1],
      ['run.start', null, null, ses, 'refused', 'unsupported_media_type', {}, 1],
      ['run.start', 'ada', 'bearer', ses, 'refused', 'invalid_request', {}, 1],
      ['POST /api/acme/things/:id/paint/:colour', ...by, 'a\\u0000b', 'allowed', null, { colour: 'red' }, 1],
    ]);
    expect(rows[0]).toMatchObject({
      tenant_id: 'default',
      remote_address: '198.51.100.7',
      user_agent: `probe\\u009b ${'x'.repeat(188)}`,
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(rows[1]?.remote_address).toBe('127.0.0.1');
  });

  it('counts a flood of equal refusals instead of writing it', async () => {
    const mallory = await Api.as(app.url, 'mallory');
    for (let n = 0; n < 30; n += 1) await mallory.call('DELETE', `/api/agent/sessions/${newId('ses')}`);
    const rows = await news();
    expect(rows.map(({ action, actor_id, count }) => [action, actor_id, count])).toEqual([
      ['session.delete', 'mallory', 1],
      ['session.delete', 'mallory', 29],
    ]);
  });

  it('is shown to administrators of the tenant, page by page, and by what is asked for', async () => {
    const tenant = `t${newId('usr')}`;
    const boss = {
      email: `boss@${tenant}.test`,
      password: 'long enough',
      roles: ['admin'],
      tenant_id: tenant,
    };
    expectStatus(await root.call('POST', '/api/admin/users', boss), 201);
    const theirs = new Api(app.url, await tokenFor(app.url, boss.email, boss.password));
    await login(boss.email, 'wrong');
    for (let n = 0; n < 3; n += 1) await theirs.createSession();
    const own = ['session.create', 'session.create', 'session.create', 'auth.sign_in', 'auth.token'];
    expect(actions(await read({}, theirs))).toEqual(own);
    expect(actions(await read({ tenant_id: tenant, limit: '3' }))).toEqual([
      'audit.read',
      ...own.slice(0, 2),
    ]);
    expect(actions(await read({ outcome: 'refused' }, theirs))).toEqual(['auth.sign_in']);
    expect(actions(await read({ action: 'auth.token' }, theirs))).toEqual(['auth.token']);
    expect(await read({ actor_id: 'ada' }, theirs)).toEqual([]);
    expect((await theirs.call('GET', '/api/admin/audit?tenant_id=default')).status).toBe(403);
    expect((await theirs.call('GET', '/api/admin/audit/export?tenant_id=default')).status).toBe(403);
    for (const bad of [
      'cursor=1',
      'limit=0',
      'limit=201',
      'from=yesterday',
      'outcome=x',
      'tenant=x',
      'cursor=1.aud_x',
    ]) {
      expect([bad, (await root.call('GET', `/api/admin/audit?${bad}`)).status]).toEqual([bad, 400]);
    }
    const all: string[] = [];
    let cursor: string | null = '';
    for (let pages = 0; cursor !== null; pages += 1) {
      const next: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page: Page = (
        await theirs.call<Page>('GET', `/api/admin/audit?limit=2&action=session.create${next}`)
      ).body;
      all.push(...page.data.map(({ id }) => id));
      cursor = page.next_cursor;
      expect(pages).toBeLessThan(5);
    }
    expect(new Set(all).size).toBe(3);
  });

  it('is exported whole in bounded pieces, however long it is', async () => {
    const sizes: number[] = [];
    const tenantId = `bulk${newId('usr')}`;
    const actor = { userId: 'bulk', tenantId, via: 'key' };
    const client = { address: null, userAgent: null, requestId: null };
    for (let n = 0; n < 5_000; n += 1) {
      const what = {
        action: 'acme.do',
        target: String(n),
        outcome: 'allowed' as const,
        code: null,
        details: null,
      };
      audit.record({ actor, client, ...what }, false);
    }
    await audit.flush();
    const { body, headers } = await fetch(`${app.url}/api/admin/audit/export?tenant_id=${tenantId}`, {
      headers: root.authorization,
    });
    let text = '';
    for await (const chunk of body!) {
      sizes.push(chunk.length);
      text += Buffer.from(chunk).toString();
    }
    const rows = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    expect(headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    expect(rows.map(({ target }) => target)).toEqual(Array.from({ length: 5_000 }, (_, n) => String(n)));
    expect(Math.max(...sizes)).toBeLessThan(300_000);
  });

  // Fails when the database is closed first: see the order of modules in app.module.ts.
  it('has all that was done before the server ended, counts too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'agentline-test-'));
    const env = { DATA_DIR: folder, DATABASE_URL: undefined };
    const before = await startApp(env);
    const mallory = await Api.as(before.url, 'mallory');
    await Promise.all([1, 2, 3].map(() => mallory.call('GET', `/api/agent/sessions/${newId('ses')}`)));
    await before.stop();
    const after = await startApp(env);
    const rows = await read({}, await Api.as(after.url, 'chief', { roles: ['admin'] }));
    await after.stop();
    rmSync(folder, { recursive: true });
    expect(rows.map(({ action, count }) => [action, count])).toEqual([
      ['GET /api/agent/sessions/:id', 2],
      ['GET /api/agent/sessions/:id', 1],
    ]);
  });

  it('repeats nothing that anybody said, and no secret', async () => {
    const rows = await database.acrossTenants().selectFrom('audit_events').selectAll().execute();
    expect(rows.length).toBeGreaterThan(5_000);
    const text = JSON.stringify(rows);
    for (const secret of [CANARY, ROOT.password, ada.token, root.token, 'agl_', 'eyJ'])
      expect(text).not.toContain(secret);
  });
});

it('the audit has sign-ins with an identity provider, also those that come back to the console', async () => {
  const provider = await TestProvider.listen();
  const there = await startApp({
    OIDC_ISSUER: provider.issuer,
    OIDC_CLIENT_ID: CLIENT.id,
    OIDC_CLIENT_SECRET: CLIENT.secret,
  });
  const callback = `${there.url}/api/auth/oidc/callback`;
  await provider.serve([callback]);
  provider.person = { sub: 'ada', email: 'ada@id.test', email_verified: true };
  const browser = new Browser();
  await browser.get(await browser.follow(`${there.url}/api/auth/oidc/login`, callback));
  await browser.get(`${callback}?code=${CANARY}&state=${CANARY}`, 'text/html,*/*');

  const asked = { action: 'auth.oidc.sign_in' };
  const rows = await read(asked, await Api.as(there.url, 'chief', { roles: ['admin'] }));
  await Promise.all([there.stop(), provider.close()]);

  const failure = { outcome: 'refused', code: 'sign_in_failed', actor_id: null };
  const user = expect.stringMatching(/^usr_/);
  expect(rows).toMatchObject([
    { action: 'auth.oidc.sign_in', ...failure },
    {
      action: 'auth.oidc.sign_in',
      outcome: 'allowed',
      code: null,
      actor_id: user,
      target: user,
      details: {},
    },
  ]);
  expect(JSON.stringify(rows)).not.toContain(CANARY);
});

/** The export as text. */
async function exported(): Promise<string> {
  return (await fetch(`${app.url}/api/admin/audit/export`, { headers: root.authorization })).text();
}

async function refused(opening: Promise<unknown>): Promise<void> {
  await expect(opening).rejects.toBeInstanceOf(UpgradeRefused);
}
