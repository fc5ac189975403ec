import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { toolReply } from '../support/anthropic/anthropic-sse.js';
import { Api, tokenFor } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import { hasChromium, launchChromium, signInPage } from './chromium.js';

/** Runs in the page, and is part of no program: it is read as the page reads it. */
const path = './hostile-attacks.js';
const { attacks, serviceWorker } = (await import(path)) as {
  attacks: Record<string, unknown>;
  serviceWorker: string;
};
const ATTACKS = readFileSync(new URL(path, import.meta.url));

/** The server's name for the victim, and where the hostile page stands. Browsers take *.localhost to be this machine. */
const VICTIM = 'app.agent.localhost';
const PLACES = [
  ['another site', 'evil.localhost'],
  ['another address', '127.0.0.2'],
  ['a sibling of the same site, to which cookies go', 'evil.agent.localhost'],
  ['another port of the same host, to which cookies go', VICTIM],
] as const;

const SECRET = 'the cormorant flies at nine';

if (hasChromium()) {
  let upstream: FakeUpstream;
  let app: RunningApp;
  let evil: Server;
  let browser: Browser;
  let context: BrowserContext;
  let victim: Page;
  let api: Api;
  let aim: Record<string, string>;
  const windows: Page[] = [];

  beforeAll(async () => {
    upstream = await FakeUpstream.start(() => ({
      sse: toolReply([SECRET], [{ id: 'toolu_pay', name: 'get_time', input: {} }]),
    }));
    app = await startApp({ ...upstreamEnv(upstream.url), APPROVAL_TOOLS: 'get_time' });
    const { port } = new URL(app.url);
    const url = `http://${VICTIM}:${port}`;
    evil = createServer((request, response) => {
      const isWorker = request.url === '/sw.js';
      const isScript = isWorker || request.url === '/attacks.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      response.end(
        isWorker ? serviceWorker : isScript ? ATTACKS : '<!doctype html><title>evil</title><body>',
      );
    }).listen(0, '0.0.0.0');
    await once(evil, 'listening');

    browser = await launchChromium();
    context = await browser.newContext();
    context.on('page', (page) => windows.push(page));
    victim = await context.newPage();
    await victim.goto(url);
    await signInPage(victim);
    api = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
    const attacker = { email: 'mallory@evil.test', password: 'a password of the attacker' };
    await api.call('POST', '/api/admin/users', attacker);
    const session = await api.createSession({ title: SECRET });
    const run = await api.post(session, SECRET);
    await until('the run to wait', async () => (await api.run(run.id)).status === 'waiting');
    aim = { url, session, run: run.id, call: 'toolu_pay', ...attacker };
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    await upstream?.stop();
    evil?.closeAllConnections();
    evil?.close();
  });

  const read = async (route: string) => (await api.call('GET', route)).body;

  /** All that an attack could have changed, told by the server; and who the victim's browser is. */
  async function state(): Promise<unknown> {
    return {
      calls: upstream.calls.length,
      sessions: await read('/api/agent/sessions'),
      session: await read(`/api/agent/sessions/${aim['session']}`),
      runs: await read(`/api/agent/sessions/${aim['session']}/runs`),
      messages: await read(`/api/agent/sessions/${aim['session']}/messages`),
      me: await victim.evaluate(async () => (await fetch('/api/auth/me')).text()),
    };
  }

  it('knows a secret that the victim reads with the same browser', async () => {
    const seen = await victim.evaluate(async (session) => {
      const answer = await fetch(`/api/agent/sessions/${session}/messages`);
      return answer.text();
    }, aim['session']!);
    expect(seen).toContain(SECRET);
    expect(await state()).toMatchObject({
      me: expect.stringContaining(TEST_ENV.ADMIN_EMAIL),
      runs: { data: [{ status: 'waiting' }] },
    });
  });

  it.each([
    '/',
    '/console/console.js',
    '/console/marked.js',
    '/api/auth/me',
    '/api/agent/sessions',
    '/api/agent/stream?session_id=none',
    '/api/agent/stream?session_id=SESSION',
    '/api/openapi.json',
    '/none',
  ])('is told by the headers of %s to keep away', async (route) => {
    const headers = { ...api.authorization, accept: '*/*' };
    const stop = new AbortController();
    const address = app.url + route.replace('SESSION', aim['session']!);
    const answer = await fetch(address, { headers, signal: stop.signal });
    stop.abort();
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-security-policy': expect.stringMatching(
        /default-src 'none'.*frame-ancestors 'none'.*require-trusted-types-for 'script'/,
      ),
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-dns-prefetch-control': 'off',
      'x-frame-options': 'SAMEORIGIN',
    });
    expect(answer.headers.has('access-control-allow-origin')).toBe(false);
  });

  // All places try the same at the same time: what takes long is to wait for what must not come.
  describe(`a hostile page on ${PLACES.map(([place]) => place).join(', on ')}`, () => {
    let hostile: Page[];

    beforeAll(async () => {
      const { port } = evil.address() as AddressInfo;
      hostile = await Promise.all(PLACES.map(() => context.newPage()));
      windows.length = 0;
      await Promise.all(PLACES.map(([, host], n) => hostile[n]!.goto(`http://${host}:${port}/`)));
    });

    afterAll(() => Promise.all((hostile ?? []).map((page) => page.close())));

    it.each(Object.keys(attacks))('gets nothing and changes nothing by %s', async (name) => {
      const before = await state();
      const loot = await Promise.all(hostile.map((page) => attack(page, name)));
      const framed = hostile
        .flatMap((page) => page.frames())
        .filter((frame) => frame.url().startsWith(aim['url']!));
      expect(loot).toEqual(PLACES.map(() => []));
      expect(windows.splice(0)).toHaveLength(name.startsWith('window.open') ? PLACES.length : 0);
      expect(framed.map((frame) => frame.url())).toEqual([]);
      expect(await state()).toEqual(before);
    });
  });

  describe('the same on a page of our own', () => {
    let own: Page;

    beforeAll(async () => {
      own = await context.newPage();
      await own.route('**/attacks.js', (route) =>
        route.fulfill({ contentType: 'text/javascript', body: ATTACKS.toString() }),
      );
      await own.goto(aim['url']!);
    });

    // What gets nothing anywhere would prove nothing of the hostile page.
    it.each([
      'EventSource with credentials',
      'EventSource with a cursor, for good',
      'WebSocket with the subprotocol',
      'fetch (cors, credentials) of every reading route',
      'fetch with headers of a stream',
      'XMLHttpRequest of every route',
      'the cache of the page',
    ])('gets the secret by %s', async (name) => {
      expect((await attack(own, name)).join('\n')).toContain(SECRET);
    });

    it('changes something by fetch (cors, JSON, every method) of every change', async () => {
      const before = await api.call('GET', '/api/agent/sessions');
      await attack(own, 'fetch (cors, JSON, every method) of every change');
      expect((await api.call('GET', '/api/agent/sessions')).text).not.toBe(before.text);
    });
  });

  async function attack(page: Page, name: string): Promise<string[]> {
    return page.evaluate(
      async ([wanted, known]) => {
        const module = '/attacks.js';
        const { attacks: all } = (await import(module)) as {
          attacks: Record<string, (aim: unknown) => Promise<string[]>>;
        };
        return all[wanted]!(known);
      },
      [name, aim] as const,
    );
  }
}
