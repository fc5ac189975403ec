import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext } from 'playwright-core';
import type { AgentlineClient } from '../../src/client/agentline-client.js';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { ROOT } from '../support/build.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import { hasChromium, launchChromium, openPage } from './chromium.js';

const WORDS = Array.from({ length: 60 }, (_, n) => `w${n} `);
/** Where the page finds the client as it was built, and its parser, as a bundler would put them. */
const FILES = '/client-files';
const ASK = {
  email: TEST_ENV.ADMIN_EMAIL,
  password: TEST_ENV.ADMIN_PASSWORD,
  module: `${FILES}/client/agentline-client.js`,
};

if (hasChromium()) {
  let upstream: FakeUpstream;
  const servers: ServerProcess[] = [];
  let elsewhere: Server;
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    upstream = await FakeUpstream.start(() => ({ sse: textReply(WORDS), paceMs: 10 }));
    elsewhere = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Elsewhere</title>');
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const env = upstreamEnv(upstream.url);
    servers.push(await ServerProcess.start({ env }));
    servers.push(await ServerProcess.start({ env: { ...env, ALLOWED_ORIGINS: originOf(elsewhere) } }));
    browser = await launchChromium();
  });

  afterEach(() => context?.close());

  afterAll(async () => {
    await browser?.close();
    for (const server of servers) await server.stop();
    elsewhere?.close();
    await upstream?.stop();
  });

  describe.each(['sse', 'websocket'] as const)('agentline/client in a page, by %s', (transport) => {
    it.each(['of the server, with a cookie', 'of another origin, with a token'])(
      '%s, sees the whole run though the server dies in its middle',
      async (where) => {
        const isOwn = where.startsWith('of the server');
        const server = servers[isOwn ? 0 : 1]!;
        context = await browser.newContext();
        await context.route(`**${FILES}/**`, (route) =>
          route.fulfill(fileAt(new URL(route.request().url()).pathname)),
        );
        const { page } = await openPage(context);
        await page.goto(isOwn ? server.url : originOf(elsewhere));
        const watching = page.evaluate(watchRun, { ...ASK, url: server.url, transport });
        await until('the page to see the answer', async () => (await page.title()) === 'streaming');
        await server.crash();
        await server.restart();

        expect(await watching).toEqual({
          text: WORDS.join(''),
          status: 'completed',
          losses: true,
          readsCookie: false,
        });
        expect((await context.cookies()).map(({ name }) => name)).toEqual(isOwn ? ['session'] : []);
      },
    );
  });
}

/** In the page: signs in, starts a run, follows it to its end. */
async function watchRun(ask: typeof ASK & { url: string; transport: 'sse' | 'websocket' }) {
  const { AgentlineClient: Client } = (await import(ask.module)) as {
    AgentlineClient: typeof AgentlineClient;
  };
  const { document } = globalThis as unknown as { document: { title: string; cookie: string } };
  const client = new Client({ url: ask.url, transport: ask.transport });
  await client.signIn(ask.email, ask.password);
  let losses = 0;
  const run = await client.start({ content: 'please' });
  const stream = client.follow(run, { onConnection: (state) => (losses += Number(state === 'lost')) });
  for await (const { type } of stream) if (type === 'token') document.title = 'streaming';
  const { text, status } = stream.view;
  return { text, status, losses: losses > 0, readsCookie: document.cookie.includes('session') };
}

function originOf(listening: Server): string {
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

/** A bundler resolves the name of the parser; here it is put into the text. */
function fileAt(path: string): { contentType: string; body: string } {
  const name = path.slice(FILES.length);
  const file = name.startsWith('/client/') ? join(ROOT, 'dist', name) : join(ROOT, 'node_modules', name);
  const text = readFileSync(file, 'utf8');
  const parser = `'${FILES}/eventsource-parser/dist/index.js'`;
  return { contentType: 'text/javascript', body: text.replace("'eventsource-parser'", parser) };
}
