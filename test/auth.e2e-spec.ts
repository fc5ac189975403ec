import { createHash } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Global,
  Logger,
  Module,
  Post,
  StandardSchemaValidationPipe,
  type INestApplication,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SignJWT } from 'jose';
import {
  AcceptsTicket,
  CurrentPrincipal,
  OpenOutsideProduction,
  Public,
  Requires,
} from '../src/auth/access.decorator.js';
import { AuthModule } from '../src/auth/auth.module.js';
import { Authenticator } from '../src/auth/authenticator.service.js';
import type { Principal } from '../src/auth/principal.js';
import { Revocations } from '../src/auth/revocations.service.js';
import { DatabaseModule } from '../src/database/database.module.js';
import { Database } from '../src/database/database.js';
import { newId } from '../src/database/ids.js';
import type { AppError } from '../src/errors/app-error.js';
import { invalidRequest } from '../src/errors/invalid-request.js';
import { ProblemFilter } from '../src/errors/problem.filter.js';
import { Metrics } from '../src/telemetry/metrics.js';

const JWT_SECRET = 'the secret that signs access tokens';
const ADMIN = { email: 'root@example.com', password: 'root password' };

Logger.overrideLogger(false);

/** What stands in the place of the telemetry, which would log. */
@Global()
@Module({ providers: [Metrics], exports: [Metrics] })
class MetricsModule {}

/** Routes that stand for those of other folders. */
@Controller('api/probe')
class ProbeController {
  @Get('stream')
  @AcceptsTicket()
  stream(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @Post('change')
  change(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @Get('plain')
  plain(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @Get('admin')
  @Requires('admin')
  admin() {
    return 'for administrators';
  }

  @Get('docs')
  @OpenOutsideProduction()
  docs() {
    return 'open';
  }

  @Post('public')
  @Public()
  open() {
    return 'open';
  }
}

interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

interface Call {
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

interface Credentials {
  email: string;
  password: string;
}

function credentialsOf({ email, password }: Credentials): Credentials {
  return { email, password };
}

class TestServer {
  private constructor(
    readonly app: INestApplication,
    readonly origin: string,
    readonly database: Database,
  ) {}

  static async start(env: NodeJS.ProcessEnv = {}): Promise<TestServer> {
    const before = process.env;
    process.env = {
      ...before,
      NODE_ENV: 'test',
      DATA_DIR: ':memory:',
      DATABASE_URL: '',
      SESSION_SECRET: 'the secret that signs cookies',
      JWT_SECRET,
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      ...env,
    };
    try {
      const module = await Test.createTestingModule({
        imports: [DatabaseModule, MetricsModule, AuthModule],
        controllers: [ProbeController],
      }).compile();
      const app = module.createNestApplication({ logger: false });
      app.useGlobalFilters(new ProblemFilter());
      app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest }));
      await app.listen(0, '127.0.0.1');
      const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
      return new TestServer(app, `http://127.0.0.1:${port}`, app.get(Database));
    } finally {
      process.env = before;
    }
  }

  async call(path: string, { method, headers, body }: Call = {}): Promise<Answer> {
    const response = await fetch(this.origin + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : { text },
    };
  }

  /** The cookie of a new login, as a Cookie header. */
  async login(who: Credentials = ADMIN, headers = {}): Promise<string> {
    const { headers: answered } = await this.call('/api/auth/login', { body: credentialsOf(who), headers });
    return answered.getSetCookie()[0]!.split(';')[0]!;
  }

  async token(who: Credentials = ADMIN): Promise<string> {
    const { body } = await this.call('/api/auth/token', { body: credentialsOf(who) });
    return body['access_token'] as string;
  }

  /** A new user, with what it takes to sign in. */
  async user(fields: Record<string, unknown> = {}) {
    const who = { email: `${newId('usr')}@example.com`, password: 'user password' };
    const headers = { authorization: `Bearer ${await this.token()}` };
    const { body } = await this.call('/api/admin/users', { headers, body: { ...who, ...fields } });
    return { ...who, id: body['id'] as string };
  }

  async session(owner: { id: string; tenant?: string }): Promise<string> {
    const id = newId('ses');
    await this.database
      .acrossTenants()
      .insertInto('sessions')
      .values({
        id,
        tenant_id: owner.tenant ?? 'default',
        user_id: owner.id,
        metadata_json: '{}',
        created_at: 1,
        updated_at: 1,
      })
      .execute();
    return id;
  }

  sign(payload: Record<string, unknown>): Promise<string> {
    return new SignJWT({ exp: Date.now() / 1000 + 600, ...payload })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(JWT_SECRET));
  }
}

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.app.close());

const PROBLEM = (code: string) => ({ code, type: `urn:agentline:problem:${code}` });

describe('Signing in', () => {
  it('gives the user and a cookie that scripts and other sites do not get', async () => {
    const { status, body, headers } = await server.call('/api/auth/login', { body: ADMIN });

    expect(status).toBe(200);
    expect(body).toEqual({
      user: {
        id: expect.stringMatching(/^usr_/),
        email: 'root@example.com',
        tenant_id: 'default',
        roles: ['admin'],
      },
    });
    const [cookie, ...others] = headers.getSetCookie();
    expect(others).toEqual([]);
    expect(cookie).toMatch(/^session=s%3A[\w.%-]+; Path=\/; Expires=[^;]+ GMT; HttpOnly; SameSite=Lax$/);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('over https gives a cookie bound to this host', async () => {
    const app = server.app.getHttpAdapter().getInstance() as { set(name: string, value: unknown): void };
    app.set('trust proxy', 'loopback');
    const forwarded = { 'x-forwarded-proto': 'https' };

    const { headers } = await server.call('/api/auth/login', { body: ADMIN, headers: forwarded });

    const cookie = headers.getSetCookie()[0]!;
    expect(cookie).toMatch(/^__Host-session=[^;]+; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/);
    const secure = cookie.split(';')[0]!;
    const me = (headers: Record<string, string>) => server.call('/api/auth/me', { headers });
    expect((await me({ cookie: secure, ...forwarded })).status).toBe(200);
    expect((await me({ cookie: secure.replace('__Host-', ''), ...forwarded })).status).toBe(401);
    app.set('trust proxy', false);
    expect((await me({ cookie: secure })).status).toBe(401);
  });

  it('takes the e-mail address in any case', async () => {
    const { status } = await server.call('/api/auth/login', {
      body: { ...ADMIN, email: 'ROOT@Example.com' },
    });
    expect(status).toBe(200);
  });

  it('is refused in the same way for a wrong password and an unknown address', async () => {
    const wrong = await server.call('/api/auth/login', { body: { ...ADMIN, password: 'wrong' } });
    const unknown = await server.call('/api/auth/login', { body: { ...ADMIN, email: 'a@example.com' } });

    expect(wrong.status).toBe(401);
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer');
    expect(wrong.headers.getSetCookie()).toEqual([]);
    expect(wrong.body).toMatchObject(PROBLEM('invalid_credentials'));
    expect({ ...unknown.body, request_id: '' }).toEqual({ ...wrong.body, request_id: '' });
  });

  it.each([
    [{ email: ADMIN.email }, 'password'],
    [{ ...ADMIN, remember: true }, 'remember'],
    [{ ...ADMIN, email: 'root@example.com\u0000' }, 'email'],
    [{ ...ADMIN, password: 7 }, 'password'],
    [{ ...ADMIN, password: 'x'.repeat(257) }, 'password'],
    [[], ''],
  ])('is refused for a body that is not as described: %j', async (body, path) => {
    const answer = await server.call('/api/auth/login', { body });

    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({
      code: 'invalid_request',
      errors: [{ path, message: expect.any(String) }],
    });
  });

  it('does not take credentials from the query', async () => {
    const query = new URLSearchParams(ADMIN).toString();
    expect((await server.call(`/api/auth/login?${query}`, { body: {} })).status).toBe(400);
  });

  it('gives a new id whatever the browser had, and the old one is dead (S11)', async () => {
    const old = await server.login();
    const fresh = await server.login(ADMIN, { cookie: old });

    expect(fresh).not.toBe(old);
    expect((await server.call('/api/auth/me', { headers: { cookie: old } })).status).toBe(401);
    expect((await server.call('/api/auth/me', { headers: { cookie: fresh } })).status).toBe(200);
  });

  it('does not take an id that it has not given (S11)', async () => {
    for (const cookie of ['session=fixed', 'session=s%3Afixed.AAAA', `session=${'x'.repeat(5000)}`]) {
      const fresh = await server.login(ADMIN, { cookie });
      expect(fresh).not.toContain('fixed');
      expect((await server.call('/api/auth/me', { headers: { cookie } })).status).toBe(401);
    }
  });

  it('keeps nothing of somebody who is not signed in', async () => {
    const count = () => server.database.kysely.selectFrom('logins').selectAll().execute();
    const before = (await count()).length;

    const { headers } = await server.call('/api/auth/me', { headers: { cookie: 'session=s%3Aa.b' } });
    await server.call('/api/probe/docs');

    expect(headers.getSetCookie()).toEqual([]);
    expect(await count()).toHaveLength(before);
  });

  it('has ended for the cookie at once after signing out (S12)', async () => {
    const cookie = await server.login();
    const id = createHash('sha256');
    id.update(decodeURIComponent(cookie.slice('session='.length)).slice(2).split('.')[0]!);
    const watch = server.app.get(Revocations).watch(principal({ loginId: id.digest('hex') }));

    const { status, headers } = await server.call('/api/auth/logout', {
      method: 'POST',
      headers: { cookie, origin: server.origin },
    });

    expect(status).toBe(204);
    expect(headers.getSetCookie()).toEqual([
      'session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax',
    ]);
    const later = await server.call('/api/auth/me', { headers: { cookie } });
    expect([later.status, later.headers.getSetCookie()]).toEqual([401, []]);
    expect(watch.signal.aborted).toBe(true);
  });

  it('is over after its idle time and its absolute time (S13)', async () => {
    const cookie = await server.login();
    const me = () => server.call('/api/auth/me', { headers: { cookie } });
    expect((await me()).status).toBe(200);

    await server.database.kysely
      .updateTable('logins')
      .set({ expires_at: Date.now() - 1 })
      .execute();

    expect((await me()).status).toBe(401);
  });
});

function principal(fields: Partial<Principal>): Principal {
  return {
    userId: 'usr_1',
    tenantId: 'default',
    email: null,
    roles: ['member'],
    via: 'cookie',
    loginId: null,
    expiresAt: null,
    ...fields,
  };
}

describe('Who am I', () => {
  it('is told by cookie and by token', async () => {
    const cookie = await server.login();
    const token = await server.token();

    const byCookie = await server.call('/api/auth/me', { headers: { cookie } });
    const byToken = await server.call('/api/auth/me', { headers: { authorization: `Bearer ${token}` } });

    const me = {
      id: expect.stringMatching(/^usr_/),
      email: 'root@example.com',
      tenant_id: 'default',
      roles: ['admin'],
    };
    expect(byCookie.body).toEqual(me);
    expect(byToken.body).toEqual(byCookie.body);
  });

  it('is told by a token of somebody who has no account here', async () => {
    const token = await server.sign({
      sub: 'idp|7',
      tenant_id: 'acme',
      roles: ['admin', 'chef'],
      email: 'a@b',
    });
    const { body } = await server.call('/api/auth/me', { headers: { authorization: `Bearer ${token}` } });

    expect(body).toEqual({ id: 'idp|7', email: 'a@b', tenant_id: 'acme', roles: ['admin'] });
  });

  it.each([
    ['nothing', {}],
    ['a token that is none', { authorization: 'Bearer x' }],
    ['another scheme', { authorization: 'Basic cm9vdDpyb290' }],
    ['a cookie that is none', { cookie: 'session=x' }],
  ])('is not told for %s', async (_name, headers) => {
    const answer = await server.call('/api/auth/me', { headers });

    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body).toMatchObject(PROBLEM('unauthenticated'));
  });

  it('is not told for credentials in the query (S15)', async () => {
    const token = await server.token();
    const cookie = (await server.login()).slice('session='.length);
    const keys = ['access_token', 'token', 'bearer', 'ticket', 'authorization', 'session', '__Host-session'];

    for (const key of keys) {
      for (const value of [token, cookie]) {
        for (const path of ['/api/auth/me', '/api/probe/stream']) {
          expect((await server.call(`${path}?${key}=${encodeURIComponent(value)}`)).status).toBe(401);
        }
      }
    }
  });

  it('is not told to two at once (S23)', async () => {
    const ann = await server.user();
    const cookie = await server.login(ann);
    const [hers, root] = [await server.token(ann), await server.token()];
    const me = (authorization: string) =>
      server.call('/api/auth/me', { headers: { cookie, authorization: `Bearer ${authorization}` } });

    expect((await me(root)).body).toMatchObject({ status: 400, code: 'mixed_credentials' });
    expect((await me(hers)).body).toMatchObject({ id: ann.id });
    expect((await me('broken')).status).toBe(401);
  });

  it('is not told for two Authorization headers (S23)', async () => {
    const token = await server.token();
    const { hostname, port } = new URL(server.origin);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = ['Host', `${hostname}:${port}`, 'Connection', 'close'];
      for (let i = 0; i < 2; i++) headers.push('Authorization', `Bearer ${token}`);
      httpRequest({ hostname, port, path: '/api/auth/me', headers }, resolve).on('error', reject).end();
    });
    response.resume();

    expect(response.statusCode).toBe(400);
  });

  it('is told by a token while the cookie beside it has ended', async () => {
    const headers = { cookie: 'session=s%3Adead.x', authorization: `Bearer ${await server.token()}` };
    expect((await server.call('/api/auth/me', { headers })).status).toBe(200);
  });
});

describe('A token', () => {
  it('is given for e-mail address and password', async () => {
    const { status, body, headers } = await server.call('/api/auth/token', { body: ADMIN });

    expect(status).toBe(200);
    expect({ ...body, access_token: '' }).toEqual({
      access_token: '',
      token_type: 'Bearer',
      expires_in: 3600,
    });
    expect(headers.getSetCookie()).toEqual([]);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('is not given for a wrong password', async () => {
    const { body } = await server.call('/api/auth/token', { body: { ...ADMIN, password: 'wrong' } });
    expect(body).toMatchObject({ status: 401, code: 'invalid_credentials' });
  });

  it('has the roles of the account, not those it claims; in another tenant the account is none', async () => {
    const ann = await server.user();
    const me = async (claims: object) => {
      const token = await server.sign({ sub: ann.id, ...claims });
      return server.call('/api/auth/me', { headers: { authorization: `Bearer ${token}` } });
    };

    expect((await me({ roles: ['admin'] })).body).toMatchObject({ id: ann.id, roles: ['member'] });
    const elsewhere = await server.sign({ sub: ann.id, tenant_id: 'acme', roles: ['member'] });
    const there = (path: string) => server.call(path, { headers: { authorization: `Bearer ${elsewhere}` } });
    expect((await there('/api/auth/me')).body).toMatchObject({ email: null, tenant_id: 'acme' });
    expect((await there('/api/agent/sessions/ses_01h455vb4pex5vsknk084sn02q')).status).toBe(404);
    expect((await there('/api/auth/logins')).body).toEqual({ data: [] });
  });
});

describe('Where a cookie counts', () => {
  const EVIL = 'https://evil.test';
  let cookie = '';
  beforeAll(async () => {
    cookie = await server.login();
  });

  it.each<[string, Record<string, string>, number]>([
    ['our own page (S6)', { 'sec-fetch-site': 'same-origin' }, 200],
    ['an address that was typed', { 'sec-fetch-site': 'none' }, 200],
    ['a program', {}, 200],
    ['another site (S5)', { 'sec-fetch-site': 'cross-site' }, 403],
    ['another host of our site (S5)', { 'sec-fetch-site': 'same-site' }, 403],
    ['a foreign Origin (S5)', { origin: EVIL }, 403],
    ['a foreign Origin that claims more', { origin: EVIL, 'sec-fetch-site': 'same-origin' }, 403],
  ])('a stream for %s', async (_name, headers, status) => {
    const answer = await server.call('/api/probe/stream', { headers: { cookie, ...headers } });

    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.body).toMatchObject(PROBLEM('cross_site'));
  });

  it.each<[string, Call, number]>([
    ['our own page, by Sec-Fetch-Site', { headers: { 'sec-fetch-site': 'same-origin' }, body: {} }, 201],
    ['a program that says nothing', { body: {} }, 403],
    ['a foreign Origin (S8)', { headers: { origin: EVIL }, body: {} }, 403],
    ['no Origin to speak of (S8)', { headers: { origin: 'null' }, body: {} }, 403],
    ['another site', { headers: { 'sec-fetch-site': 'cross-site' }, body: {} }, 403],
    [
      'our own page with text (S7)',
      { headers: { 'sec-fetch-site': 'same-origin', 'content-type': 'text/plain' }, body: '{}' },
      415,
    ],
    [
      'our own page with a form (S7)',
      {
        headers: { 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' },
        body: 'a=b',
      },
      415,
    ],
    [
      'our own page with JSON in another name',
      { headers: { 'sec-fetch-site': 'same-origin', 'content-type': 'application/jsonx' }, body: '{}' },
      415,
    ],
    [
      'our own page with a charset',
      {
        headers: { 'sec-fetch-site': 'same-origin', 'content-type': 'application/json; charset=utf-8' },
        body: '{}',
      },
      201,
    ],
    ['our own page without a body', { method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } }, 201],
  ])('a change for %s', async (_name, call, status) => {
    const headers = { cookie, ...call.headers };
    expect((await server.call('/api/probe/change', { ...call, headers })).status).toBe(status);
  });

  it('a change for our own page, by Origin', async () => {
    const headers = { cookie, origin: server.origin };
    expect((await server.call('/api/probe/change', { headers, body: {} })).status).toBe(201);
  });

  it('says nothing about tokens, which no page sends unasked', async () => {
    const headers = { authorization: `Bearer ${await server.token()}`, origin: EVIL };
    expect((await server.call('/api/probe/change', { headers, body: {} })).status).toBe(201);
    expect((await server.call('/api/probe/stream', { headers })).status).toBe(200);
  });

  it.each<[Record<string, string>, number]>([
    [{}, 200],
    [{ origin: EVIL }, 403],
    [{ origin: 'null' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
  ])('no page of another site signs its visitor in: %j', async (headers, status) => {
    for (const path of ['/api/auth/login', '/api/auth/token']) {
      expect((await server.call(path, { body: ADMIN, headers })).status).toBe(status);
    }
  });
});

describe('Access', () => {
  it('to what is for administrators needs the role (S22), as it is today (S29)', async () => {
    const ann = await server.user();
    const headers = { authorization: `Bearer ${await server.token(ann)}` };
    const root = { authorization: `Bearer ${await server.token()}` };
    const admin = () => server.call('/api/probe/admin', { headers });
    const give = (roles: string[]) =>
      server.call(`/api/admin/users/${ann.id}`, { method: 'PATCH', headers: root, body: { roles } });

    expect((await admin()).body).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await give(['admin', 'member', 'admin'])).body).toMatchObject({ roles: ['admin', 'member'] });
    expect((await admin()).status).toBe(200);
    expect((await give(['member'])).status).toBe(200);
    expect((await admin()).status).toBe(403);
  });

  it('to what is open while developing needs nothing here, and a principal in production', async () => {
    const production = await TestServer.start({
      NODE_ENV: 'production',
      SESSION_SECRET: 's'.repeat(32),
      JWT_SECRET: 's'.repeat(32),
    });

    expect((await server.call('/api/probe/docs')).status).toBe(200);
    expect((await production.call('/api/probe/docs')).status).toBe(401);
    const cookie = await production.login();
    expect((await production.call('/api/probe/docs', { headers: { cookie } })).status).toBe(200);
    await production.app.close();
  });
});

/** The administrator's calls, made by somebody. */
async function as(who?: Credentials) {
  const headers = { authorization: `Bearer ${await server.token(who)}` };
  return (path: string, call: Call = {}) => server.call(`/api/admin/users${path}`, { ...call, headers });
}

describe('Users', () => {
  it('are created by administrators only', async () => {
    const root = await as();
    const body = { email: 'New@Example.com', password: 'long enough' };

    const created = await root('', { body });

    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      id: expect.stringMatching(/^usr_/),
      email: 'new@example.com',
      tenant_id: 'default',
      roles: ['member'],
    });
    expect((await root('', { body })).body).toMatchObject({ status: 409, code: 'conflict' });
    const member = await as(body);
    expect((await member('', { body: { ...body, email: 'x@example.com' } })).status).toBe(403);
    expect((await server.call('/api/admin/users', { body })).status).toBe(401);
  });

  it.each([
    { email: 'nobody', password: 'long enough' },
    { email: 'a@example.com', password: '1234567' },
    { email: 'a@example.com', password: 'long enough', roles: ['root'] },
    { email: 'a@example.com', password: 'long enough', roles: [] },
    { email: 'a@example.com', password: 'long enough', tenant_id: '' },
    { email: 'a@example.com', password: 'long enough', disabled: false },
  ])('are not created from %j', async (body) => {
    expect((await (await as())('', { body })).status).toBe(400);
  });

  it('of another tenant do not exist for an administrator, except where default names it', async () => {
    const root = await as();
    const chief = await server.user({ tenant_id: 'acme', roles: ['admin'] });
    const stranger = await server.user();
    const acme = await as(chief);
    const patch = { method: 'PATCH', body: { disabled: true } };

    const foreign = await acme(`/${stranger.id}`, patch);
    const unknown = await acme(`/${newId('usr')}`, patch);
    expect(foreign.status).toBe(404);
    expect({ ...foreign.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' });
    expect((await acme('/%00', patch)).status).toBe(404);
    expect((await acme(`/${stranger.id}/sessions`, { method: 'DELETE' })).status).toBe(404);

    const body = { email: 'worker@acme.test', password: 'long enough' };
    expect((await acme('', { body: { ...body, tenant_id: 'other' } })).status).toBe(403);
    expect((await acme('', { body })).body).toMatchObject({ tenant_id: 'acme' });

    expect((await root(`/${chief.id}`, patch)).status).toBe(404);
    expect((await root(`/${chief.id}?tenant_id=acme`, patch)).body).toEqual({
      id: chief.id,
      email: chief.email,
      tenant_id: 'acme',
      roles: ['admin'],
      kind: 'person',
      disabled: true,
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  it('are listed for administrators of their tenant, newest first, page by page', async () => {
    const chief = await server.user({ tenant_id: 'listed', roles: ['admin'] });
    const worker = await server.user({ tenant_id: 'listed', roles: ['viewer'] });
    const [listed, root, member] = [await as(chief), await as(), await as(worker)];
    const view = (who: typeof chief, role: string) => ({
      id: who.id,
      email: who.email,
      tenant_id: 'listed',
      roles: [role],
      kind: 'person',
      disabled: false,
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });

    const all = [view(worker, 'viewer'), view(chief, 'admin')];
    expect((await listed('')).body).toEqual({ data: all, next_cursor: null });
    expect((await root('?tenant_id=listed')).body).toEqual({ data: all, next_cursor: null });
    expect((await listed('?limit=1')).body).toEqual({ data: [all[0]], next_cursor: worker.id });
    expect((await listed(`?limit=1&cursor=${worker.id}`)).body).toEqual({
      data: [all[1]],
      next_cursor: null,
    });
    expect((await listed(`/${worker.id}`)).body).toEqual(all[0]);

    expect((await member('')).status).toBe(403);
    expect((await member(`/${worker.id}`)).status).toBe(403);
    expect((await listed('?tenant_id=default')).status).toBe(403);
    expect((await root(`/${worker.id}`)).status).toBe(404);
    for (const query of [
      '?limit=0',
      '?limit=101',
      '?limit=x',
      '?cursor=x',
      '?role=admin',
      '?limit=1&limit=2',
    ]) {
      expect([query, (await listed(query)).status]).toEqual([query, 400]);
    }
  });

  it('who administer cannot shut themselves out', async () => {
    const chief = await server.user({ roles: ['admin', 'member'] });
    const mine = await as(chief);
    const change = (body: unknown) => mine(`/${chief.id}`, { method: 'PATCH', body });

    expect((await change({ disabled: true })).body).toMatchObject({ status: 409, code: 'conflict' });
    expect((await change({ roles: ['member'] })).body).toMatchObject({ status: 409, code: 'conflict' });
    expect((await mine(`/${chief.id}`)).body).toMatchObject({ roles: ['admin', 'member'], disabled: false });
    expect((await change({ roles: ['admin'], disabled: false })).body).toMatchObject({ roles: ['admin'] });
    expect((await mine(`/${chief.id}`)).status).toBe(200);
  });

  it('are out at once when they are disabled, and their old logins stay dead afterwards', async () => {
    const root = await as();
    const ann = await server.user();
    const cookie = await server.login(ann);
    const token = await server.token(ann);
    const watch = server.app.get(Revocations).watch(principal({ userId: ann.id, via: 'bearer' }));
    const status = async (headers: Record<string, string>) =>
      (await server.call('/api/auth/me', { headers })).status;
    const disable = (disabled: boolean) => root(`/${ann.id}`, { method: 'PATCH', body: { disabled } });

    await disable(true);

    expect(watch.signal.aborted).toBe(true);
    expect(await status({ cookie })).toBe(401);
    expect(await status({ authorization: `Bearer ${token}` })).toBe(401);
    expect((await server.call('/api/auth/login', { body: credentialsOf(ann) })).status).toBe(401);

    await disable(false);

    expect(await status({ cookie })).toBe(401);
    expect(await status({ authorization: `Bearer ${token}` })).toBe(401);
    expect(await status({ authorization: `Bearer ${await server.token(ann)}` })).toBe(200);
    expect((await server.call('/api/auth/login', { body: credentialsOf(ann) })).status).toBe(200);
  });

  it('lose all their logins when an administrator says so (S14)', async () => {
    const root = await as();
    const ann = await server.user();
    const cookies = [await server.login(ann), await server.login(ann)];
    const other = await server.login();

    expect((await root(`/${ann.id}/sessions`, { method: 'DELETE' })).status).toBe(204);

    for (const cookie of cookies) {
      expect((await server.call('/api/auth/me', { headers: { cookie } })).status).toBe(401);
    }
    expect((await server.call('/api/auth/me', { headers: { cookie: other } })).status).toBe(200);
  });

  it('lose their access tokens with them, also those that were signed elsewhere before (S14)', async () => {
    const root = await as();
    const ann = await server.user();
    const seconds = Math.floor(Date.now() / 1000);
    const tokens = {
      own: await server.token(ann),
      before: await server.sign({ sub: ann.id, iat: seconds - 60 }),
      untimed: await server.sign({ sub: ann.id }),
      after: await server.sign({ sub: ann.id, iat: seconds + 30 }),
      stranger: await server.sign({ sub: 'idp|9', iat: seconds - 60 }),
    };
    const statuses = async () => {
      const asked = Object.entries(tokens).map(async ([name, token]) => {
        const { status } = await server.call('/api/auth/me', {
          headers: { authorization: `Bearer ${token}` },
        });
        return [name, status] as const;
      });
      return Object.fromEntries(await Promise.all(asked));
    };
    expect(await statuses()).toEqual({ own: 200, before: 200, untimed: 200, after: 200, stranger: 200 });

    expect((await root(`/${ann.id}/sessions`, { method: 'DELETE' })).status).toBe(204);

    expect(await statuses()).toEqual({ own: 401, before: 401, untimed: 401, after: 200, stranger: 200 });
    tokens.own = await server.token(ann);
    expect((await statuses())['own']).toBe(200);
  });

  it('lose a login whose row survived, as when it was written while the others were ended', async () => {
    const root = await as();
    const ann = await server.user();
    const cookie = await server.login(ann);
    const rows = await server.database.kysely
      .selectFrom('logins')
      .selectAll()
      .where('user_id', '=', ann.id)
      .execute();
    await root(`/${ann.id}/sessions`, { method: 'DELETE' });

    await server.database.kysely.insertInto('logins').values(rows).execute();

    expect((await server.call('/api/auth/me', { headers: { cookie } })).status).toBe(401);
  });
});

const changePassword = (headers: Record<string, string>, body: unknown) =>
  server.call('/api/auth/password', { headers, body });
const statusOf = async (headers: Record<string, string>) =>
  (await server.call('/api/auth/me', { headers })).status;

describe('A password', () => {
  it('is changed by who knows it; all other logins and tokens end', async () => {
    const ann = await server.user({ roles: ['viewer'] });
    const [mine, other] = [await server.login(ann), await server.login(ann)];
    const token = await server.token(ann);
    const said = { current: ann.password, new: 'another password' };

    const { status, headers } = await changePassword({ cookie: mine, origin: server.origin }, said);

    expect(status).toBe(204);
    const fresh = headers.getSetCookie()[0]!.split(';')[0]!;
    expect([
      await statusOf({ cookie: fresh }),
      await statusOf({ cookie: mine }),
      await statusOf({ cookie: other }),
    ]).toEqual([200, 401, 401]);
    expect(await statusOf({ authorization: `Bearer ${token}` })).toBe(401);
    expect((await server.call('/api/auth/login', { body: credentialsOf(ann) })).status).toBe(401);
    const renewed = { ...ann, password: said.new };
    expect((await server.call('/api/auth/login', { body: credentialsOf(renewed) })).status).toBe(200);
  });

  it('is changed with an access token, which ends with it, and no cookie is made of it', async () => {
    const ann = await server.user();
    const authorization = `Bearer ${await server.token(ann)}`;

    const { status, headers } = await changePassword(
      { authorization, cookie: 'session=unknown' },
      { current: ann.password, new: 'another password' },
    );

    expect([status, headers.getSetCookie(), await statusOf({ authorization })]).toEqual([204, [], 401]);
  });

  it.each<[string, unknown, number]>([
    ['another current one', { current: 'wrong password', new: 'another password' }, 403],
    ['a new one that is too short', { current: 'user password', new: 'short' }, 400],
    ['a new one that everybody tries', { current: 'user password', new: 'password123' }, 400],
    ['no current one', { new: 'another password' }, 400],
    ['something else', { current: 'user password', new: 'another password', roles: ['admin'] }, 400],
  ])('is not changed with %s', async (_name, said, status) => {
    const ann = await server.user();
    const authorization = `Bearer ${await server.token(ann)}`;

    expect((await changePassword({ authorization }, said)).status).toBe(status);
    expect(await statusOf({ authorization })).toBe(200);
  });

  it('does not exist for who has no account, or none to sign in with', async () => {
    const stranger = await server.sign({ sub: 'idp|7' });
    const { id } = await server.user();
    await server.database
      .acrossTenants()
      .updateTable('users')
      .set({ password_hash: '' })
      .where('id', '=', id)
      .execute();
    const federated = await server.sign({ sub: id });

    for (const token of [stranger, federated]) {
      const said = { current: 'user password', new: 'another password' };
      expect((await changePassword({ authorization: `Bearer ${token}` }, said)).body).toMatchObject({
        status: 403,
        code: 'forbidden',
      });
    }
  });

  it('is not changed by another site with the cookie of a user', async () => {
    const ann = await server.user();
    const cookie = await server.login(ann);
    const said = { current: ann.password, new: 'another password' };

    expect((await changePassword({ cookie, origin: 'https://evil.test' }, said)).status).toBe(403);
    expect(await statusOf({ cookie })).toBe(200);
  });
});

describe('A ticket', () => {
  it('opens one stream of its session, once, where tickets are taken', async () => {
    const ann = await server.user();
    const session = await server.session(ann);
    const headers = { authorization: `Bearer ${await server.token(ann)}` };
    const make = async () => {
      const answer = await server.call('/api/auth/tickets', { headers, body: { session_id: session } });
      expect(answer).toMatchObject({ status: 201, body: { expires_in: 30 } });
      return answer.body['ticket'] as string;
    };
    const open = (path: string) => server.call(path, { headers: { 'sec-fetch-site': 'cross-site' } });

    const ticket = await make();
    expect((await open(`/api/probe/plain?session_id=${session}&ticket=${ticket}`)).status).toBe(401);
    const first = await open(`/api/probe/stream?session_id=${session}&ticket=${ticket}`);
    expect(first.body).toMatchObject({ userId: ann.id, via: 'ticket', loginId: null });
    expect(first.body['expiresAt']).toEqual(expect.any(Number));
    expect((await open(`/api/probe/stream?session_id=${session}&ticket=${ticket}`)).status).toBe(401);

    const other = await make();
    expect((await open(`/api/probe/stream?session_id=${newId('ses')}&ticket=${other}`)).status).toBe(401);
    const twice = await make();
    expect((await open(`/api/probe/stream?ticket=${twice}&ticket=${twice}`)).status).toBe(401);
  });

  it('is not made for a session of somebody else', async () => {
    const session = await server.session({ id: 'usr_other' });
    const headers = { authorization: `Bearer ${await server.token()}` };
    for (const session_id of [session, newId('ses'), 'nonsense']) {
      const { body } = await server.call('/api/auth/tickets', { headers, body: { session_id } });
      expect(body).toMatchObject({ status: 404, code: 'not_found' });
    }
  });

  it('is refused beside the cookie of somebody else', async () => {
    const [ann, bob] = [await server.user(), await server.user()];
    const session = await server.session(ann);
    const headers = { authorization: `Bearer ${await server.token(ann)}` };
    const { body } = await server.call('/api/auth/tickets', { headers, body: { session_id: session } });
    const cookie = await server.login(bob);

    const path = `/api/probe/stream?session_id=${session}&ticket=${body['ticket'] as string}`;
    expect((await server.call(path, { headers: { cookie } })).body).toMatchObject({
      code: 'mixed_credentials',
    });
  });
});

describe('The handshake of a socket', () => {
  const ORIGIN = 'https://app.example.com';
  let restricted: TestServer;
  let cookie = '';
  let token = '';

  beforeAll(async () => {
    restricted = await TestServer.start({ ALLOWED_ORIGINS: `${ORIGIN},http://localhost:5173` });
    for (const one of [server, restricted]) answerUpgrades(one);
    cookie = await restricted.login();
    token = await restricted.token();
  });
  afterAll(() => restricted.app.close());

  /** Answers like a gateway: 101 and what it found, or the status of the refusal. */
  function answerUpgrades(one: TestServer): void {
    const authenticator = one.app.get(Authenticator);
    (one.app.getHttpServer() as Server).on('upgrade', (request: IncomingMessage, socket: Socket) => {
      authenticator.authenticateHandshake(request).then(
        ({ via, userId }) => socket.end(`HTTP/1.1 101 Found\r\nVia: ${via} ${userId}\r\n\r\n`),
        (error: AppError) => socket.end(`HTTP/1.1 ${error.status} ${error.code}\r\n\r\n`),
      );
    });
  }

  function upgrade(one: TestServer, headers: Record<string, string>, query = ''): Promise<string> {
    const { hostname, port } = new URL(one.origin);
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        hostname,
        port,
        path: `/api/agent/ws${query}`,
        agent: false,
        headers: { connection: 'Upgrade', upgrade: 'websocket', ...headers },
      });
      const done = (response: IncomingMessage): void => {
        response.resume();
        resolve(`${response.statusCode} ${response.headers.via?.split(' ')[0] ?? response.statusMessage}`);
      };
      request.on('response', done);
      request.on('upgrade', (response, socket) => {
        socket.destroy();
        done(response);
      });
      request.on('error', reject).end();
    });
  }

  it.each<[string, () => Record<string, string>, string]>([
    ['cookie and a listed Origin', () => ({ cookie, origin: ORIGIN }), '101 cookie'],
    ['cookie and a foreign Origin (S1)', () => ({ cookie, origin: 'https://evil.test' }), '403 cross_site'],
    ['cookie and Origin null (S2)', () => ({ cookie, origin: 'null' }), '403 cross_site'],
    [
      'cookie and http for https (S3)',
      () => ({ cookie, origin: 'http://app.example.com' }),
      '403 cross_site',
    ],
    ['cookie and a sibling (S4)', () => ({ cookie, origin: 'https://x.example.com' }), '403 cross_site'],
    [
      'cookie and our own Origin, not listed',
      () => ({ cookie, origin: restricted.origin }),
      '403 cross_site',
    ],
    ['cookie and no Origin', () => ({ cookie }), '403 cross_site'],
    ['a dead cookie', () => ({ cookie: 'session=s%3Adead.x', origin: ORIGIN }), '401 unauthenticated'],
    ['nothing (S36)', () => ({}), '401 unauthenticated'],
    ['token', () => ({ authorization: `Bearer ${token}` }), '101 bearer'],
    [
      'token and any Origin',
      () => ({ authorization: `Bearer ${token}`, origin: 'https://x.test' }),
      '101 bearer',
    ],
    ['token as subprotocol', () => ({ 'sec-websocket-protocol': `agent.v1, bearer.${token}` }), '101 bearer'],
    ['a bad subprotocol', () => ({ 'sec-websocket-protocol': 'agent.v1, bearer.x' }), '401 unauthenticated'],
    ['token and cookie, no Origin', () => ({ authorization: `Bearer ${token}`, cookie }), '101 bearer'],
    [
      'token and cookie, foreign Origin',
      () => ({ authorization: `Bearer ${token}`, cookie, origin: 'https://evil.test' }),
      '403 cross_site',
    ],
  ])('with %s', async (_name, headers, expected) => {
    expect(await upgrade(restricted, headers())).toBe(expected);
  });

  it('takes our own Origin where none is listed', async () => {
    const own = await server.login();
    expect(await upgrade(server, { cookie: own, origin: server.origin })).toBe('101 cookie');
    expect(await upgrade(server, { cookie: own, origin: 'http://localhost:5173' })).toBe('403 cross_site');
  });

  it('takes a ticket, once', async () => {
    const ann = await server.user();
    const session = await server.session(ann);
    const headers = { authorization: `Bearer ${await server.token(ann)}` };
    const { body } = await server.call('/api/auth/tickets', { headers, body: { session_id: session } });
    const query = `?ticket=${body['ticket'] as string}`;

    expect(await upgrade(server, { origin: 'https://anywhere.test' }, query)).toBe('101 ticket');
    expect(await upgrade(server, {}, query)).toBe('401 unauthenticated');
  });

  it('ends with the login: the cookie is refused after signing out (S12)', async () => {
    const mine = await restricted.login();
    expect(await upgrade(restricted, { cookie: mine, origin: ORIGIN })).toBe('101 cookie');

    await restricted.call('/api/auth/logout', { method: 'POST', headers: { cookie: mine, origin: ORIGIN } });

    expect(await upgrade(restricted, { cookie: mine, origin: ORIGIN })).toBe('401 unauthenticated');
  });
});

describe('Two servers in one process', () => {
  it('do not answer for each other', async () => {
    const other = await TestServer.start();
    const [cookie, foreign] = [await server.login(), await other.login()];
    const status = async (one: TestServer, sent: string) =>
      (await one.call('/api/auth/me', { headers: { cookie: sent } })).status;

    expect([await status(server, cookie), await status(other, foreign)]).toEqual([200, 200]);
    expect([await status(server, foreign), await status(other, cookie)]).toEqual([401, 401]);
    await other.app.close();
  });
});

describe('A server with a key set only', () => {
  it('makes no tokens of its own', async () => {
    const keys = createServer((_request, response) => response.end('{"keys":[]}'));
    await new Promise<void>((resolve) => {
      keys.listen(0, '127.0.0.1', resolve);
    });
    const uri = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`;
    const federated = await TestServer.start({
      JWT_SECRET: '',
      JWT_JWKS_URI: uri,
      JWT_ISSUER: 'https://id.test',
      JWT_AUDIENCE: 'agentline',
    });

    const token = await federated.call('/api/auth/token', { body: ADMIN });
    const headers = { authorization: `Bearer ${await server.sign({ sub: 'usr_1' })}` };
    const me = await federated.call('/api/auth/me', { headers });

    expect(token.body).toMatchObject({ status: 501, code: 'not_implemented' });
    expect(me.status).toBe(401);
    await federated.app.close();
    await new Promise((resolve) => {
      keys.close(resolve);
      keys.closeAllConnections();
    });
  });
});
