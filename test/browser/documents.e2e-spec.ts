import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { browserBlocks, contentOf, fileOf, isShown, kindOf } from '../documents/pages/block-kind.js';
import { expectOutput } from '../documents/pages/expected.js';
import { blocksOfPage, PAGES, type PageBlock, pageText } from '../documents/pages/page-blocks.js';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import { hasChromium, launchChromium, openPage, type WatchedPage } from './chromium.js';

const WORDS = Array.from({ length: 60 }, (_, n) => `w${n} `);
const ADMIN = { ADMIN_EMAIL: 'admin@localhost', ADMIN_PASSWORD: TEST_ENV.ADMIN_PASSWORD };
/** Where the pages say that the server is. */
const SAID = 'http://127.0.0.1:3000';

const blocks = PAGES.flatMap((page) => browserBlocks(blocksOfPage(page)));
const scripts = blocks.filter((block) => block.language === 'js' || isShown(block));
const [wholePage, ...others] = blocks.filter(({ language }) => language === 'html');

describe('what the documents give a browser to run', () => {
  it('is a row of scripts with what they write, and one whole page of 60 lines at most', () => {
    expect(new Set(blocks.map(kindOf))).toEqual(new Set(['browser', 'output']));
    expect([fileOf(wholePage!), others]).toEqual(['page.html', []]);
    expect(contentOf(wholePage!).trim().split('\n').length).toBeLessThanOrEqual(60);
  });
});

if (hasChromium()) {
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(() => browser?.close());

  beforeEach(async () => {
    context = await browser.newContext();
  });

  afterEach(() => context?.close());

  describe('a server as a reader of the documents starts it', () => {
    let server: ServerProcess;
    let page: Page;
    let said: string[];

    beforeAll(async () => {
      // Without an address of a model: the stand-in answers.
      const none = { ANTHROPIC_BASE_URL: undefined, ANTHROPIC_API_KEY: undefined };
      server = await ServerProcess.start({ env: { ...ADMIN, ...none } });
    });

    afterAll(() => server?.stop());

    beforeEach(async () => {
      ({ page } = await openPage(context));
      await page.goto(server.url);
    });

    it('shows what docs/try-it.md says that the console shows', async () => {
      const [, section = ''] = /^## In a browser\n([^]*?)^## /m.exec(pageText('try-it')) ?? [];
      const [question, long] = [...section.matchAll(/Ask `([^`]+)`/g)].map(([, text = '']) => text);
      const buttons = [...section.matchAll(/\*\*(\w+)\*\*/g)].map(([, name = '']) => name);
      expect(buttons).toEqual(['Stop', 'Wire']);
      await page.getByLabel('E-mail').fill(ADMIN.ADMIN_EMAIL);
      await page.getByLabel('Password').fill(ADMIN.ADMIN_PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await ask(question!);
      const answer = page.getByRole('article', { name: 'Answer' });
      await answer.first().getByText('Done').waitFor();
      expect(await answer.first().textContent()).toMatch(/calculate[^]*42/);
      await ask(long!);
      await answer.nth(1).getByText('10 11 12').waitFor();
      await page.reload();
      await answer.getByText('60 61 62').waitFor();
      await page.getByRole('button', { name: 'Stop' }).click();
      await answer.getByText('Stopped').waitFor();
      expect(await answer.filter({ hasText: 'Stopped' }).textContent()).toContain('60 61 62');
      await page.getByRole('button', { name: 'Wire' }).first().click();
      await page.getByRole('list', { name: 'Events' }).waitFor();
    });

    it('runs the scripts for the developer console, and they write what is shown', async () => {
      page.on('dialog', (dialog) => void dialog.accept(ADMIN.ADMIN_PASSWORD));
      page.on('console', (message) => said.push(message.text()));
      for (const block of scripts) await tryOut(block);
      expect(scripts.filter(isShown).length).toBeGreaterThan(1);
    });

    async function tryOut(block: PageBlock): Promise<void> {
      if (isShown(block)) return expectOutput(said.join('\n'), block.text);
      said = [];
      await page.evaluate(`(async () => {${block.text}})()`);
    }

    async function ask(content: string): Promise<void> {
      await page.getByLabel('Message').fill(content);
      await page.getByLabel('Message').press('Enter');
    }
  });

  describe('the whole page of docs/front-end.md', () => {
    let upstream: FakeUpstream;
    let server: ServerProcess;
    let files: Server;
    let watched: WatchedPage;

    beforeAll(async () => {
      upstream = await FakeUpstream.start(answer);
      files = createServer((_request, response) => {
        const text = contentOf(wholePage!).replaceAll(SAID, server.url);
        response.writeHead(200, { 'content-type': 'text/html' }).end(text);
      }).listen(0, '127.0.0.1');
      await once(files, 'listening');
      const env = { ...ADMIN, ...upstreamEnv(upstream.url), ALLOWED_ORIGINS: origin(), LEASE_MS: '2000' };
      server = await ServerProcess.start({ env: { ...env, APPROVAL_TOOLS: 'calculate' } });
    });

    afterAll(async () => {
      await server?.stop();
      files?.close();
      await upstream?.stop();
    });

    beforeEach(async () => {
      watched = await openPage(context);
      await watched.page.goto(`${origin()}/page.html`);
      await watched.page.getByLabel('Password').fill(ADMIN.ADMIN_PASSWORD);
      await watched.page.getByRole('button', { name: 'Sign in' }).click();
      await status(ADMIN.ADMIN_EMAIL);
    });

    it('shows an answer once, though the server dies in its middle, and again after a reload', async () => {
      await say('please');
      await until('some words', async () => (await shown()).includes('w9 '), 30_000);
      await server.crash();
      await server.restart();
      await status('completed');
      expect(await shown()).toBe(WORDS.join(''));
      await watched.page.reload();
      await status('completed');
      expect(await shown()).toBe(WORDS.join(''));
    });

    it('goes on after a reload in the middle of an answer', async () => {
      await say('please');
      await until('some words', async () => (await shown()).includes('w9 '), 30_000);
      await watched.page.reload();
      await status('completed');
      expect(await shown()).toBe(WORDS.join(''));
      expect(watched.complaints).toEqual([]);
    });

    it('asks for a decision, and goes on with it', async () => {
      await say('calculate');
      await watched.page.getByRole('button', { name: 'Allow calculate' }).click();
      await status('completed');
      expect(await shown()).toBe(
        '\ncalculate {"expression":"6*7"}\nAllow calculatecalculate: {"result":42}\nIt is 42.',
      );
    });

    it('stops a run', async () => {
      await say('at length');
      await until('some words', async () => (await shown()).includes('w9 '), 30_000);
      await watched.page.getByRole('button', { name: 'Stop' }).click();
      await status('cancelled');
    });

    it('says what is wrong', async () => {
      await watched.page.getByLabel('Password').fill('wrong');
      await watched.page.getByRole('button', { name: 'Sign in' }).click();
      await until('an explanation', async () => /password is wrong/i.test(await statusNow()), 30_000);
    });

    const origin = (): string => `http://127.0.0.1:${(files.address() as AddressInfo).port}`;

    async function say(content: string): Promise<void> {
      await watched.page.getByLabel('Message').fill(content);
      await watched.page.getByRole('button', { name: 'Send' }).click();
    }

    const shown = async (): Promise<string> => (await watched.page.locator('#answer').textContent()) ?? '';
    const statusNow = async (): Promise<string> =>
      (await watched.page.locator('#status').textContent()) ?? '';

    async function status(text: string): Promise<void> {
      await until(`the status ${text}`, async () => (await statusNow()) === text, 30_000);
    }
  });
}

/** Words; with a tool that must be allowed, when asked to calculate; without end, when asked at length. */
function answer({ body, number }: UpstreamCall) {
  const last = JSON.stringify(body.messages.at(-1));
  if (last.includes('tool_result')) return { sse: textReply(['It is 42.']) };
  const call = { id: `toolu_${number}`, name: 'calculate', input: { expression: '6*7' } };
  if (last.includes('calculate')) return { sse: toolReply([], [call]) };
  return {
    sse: textReply(last.includes('at length') ? Array.from({ length: 3000 }, () => WORDS).flat() : WORDS),
    paceMs: 15,
  };
}
