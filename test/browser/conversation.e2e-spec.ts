import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { z } from 'zod';
import { Tool } from '../../src/tools/tool.decorator.js';
import {
  messageEnd,
  messageStart,
  textBlock,
  textReply,
  thinkingBlock,
  toolReply,
} from '../support/anthropic/anthropic-sse.js';
import { Api, tokenFor } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { FakeUpstream, type Reply } from '../support/fake-upstream.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import {
  copiedText,
  enterConsole,
  hasChromium,
  launchChromium,
  openPage,
  screenshotFolder,
} from './chromium.js';

const WORDS = Array.from({ length: 80 }, (_, n) => `w${n} `);
const TEXT = WORDS.join('').trim();

/** Ends the call of the tool that takes long. */
let release = Promise.withResolvers<string>();
let calls = 0;

@Injectable()
class SlowTools {
  @Tool({ name: 'slow', description: 'Takes long.', input: z.strictObject({ part: z.string() }) })
  async slow(): Promise<string> {
    calls += 1;
    return release.promise;
  }

  @Tool({ name: 'careful', description: 'Asks.', input: z.strictObject({}), approval: 'always' })
  careful(): string {
    calls += 1;
    return `{"done":true,"lines":[${Array.from({ length: 600 }, (_, n) => n).join()}]}`;
  }
}

class AroundApp {}

const calling = (name: string, input: unknown = {}) => ({
  sse: toolReply(['So. '], [{ id: 'toolu_1', name, input }]),
});
const end = { sse: textReply(['The end.']) };
const streaming = { sse: textReply(WORDS), paceMs: 40 };

const textOf = async (answer: Locator) => (await answer.locator('.answer').allTextContents()).join('').trim();
const isOver = (answer: Locator) => answer.getByText('Done ·').waitFor();
const answerIn = (where: Page) => where.getByRole('article', { name: 'Answer' }).last();
const streamed = (answer: Locator) => until('some words', async () => (await textOf(answer)).includes('w9'));

if (hasChromium()) {
  let upstream: FakeUpstream;
  let app: RunningApp;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  let api: Api;

  beforeAll(async () => {
    upstream = await FakeUpstream.start();
    app = await startApp(upstreamEnv(upstream.url), (application) => ({
      module: AroundApp,
      imports: [application],
      providers: [SlowTools],
    }));
    browser = await launchChromium();
    api = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
  });

  beforeEach(async () => {
    release = Promise.withResolvers<string>();
    calls = 0;
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    ({ page, complaints } = await openPage(context));
    await enterConsole(page, app.url);
    await page.getByLabel('Message').waitFor();
  });

  afterEach(async () => {
    release.resolve('late');
    await context.close();
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    await upstream?.stop();
  });

  async function say(text: string, replies?: Reply[]): Promise<Locator> {
    if (replies) upstream.answer(replies);
    await page.getByLabel('Message').fill(text);
    await page.getByLabel('Message').press('Enter');
    const answer = page.getByRole('article', { name: 'Answer' }).last();
    await page.getByRole('article', { name: 'You' }).getByText(text, { exact: true }).last().waitFor();
    return answer;
  }

  describe('a reload in the middle of a run', () => {
    it('while words stream: they are there once, and go on', async () => {
      await streamed(await say('please', [streaming]));
      await page.reload();
      await streamed(answerIn(page));
      await isOver(answerIn(page));
      expect(await textOf(answerIn(page))).toBe(TEXT);
      expect(await page.getByRole('article').count()).toBe(2);
      expect(complaints).toEqual([]);
    });

    it('while a tool runs: its card is there once, and gets its result', async () => {
      const answer = await say('please', [calling('slow', { part: 'x' }), end]);
      await answer.locator('details.tool[data-state="running"]').waitFor();
      await until('the call', () => calls === 1);
      await page.reload();
      const card = answerIn(page).locator('details.tool');
      await card.getByText('running').waitFor();
      release.resolve('slow result');
      await isOver(answerIn(page));
      expect(await card.count()).toBe(1);
      expect(await card.locator('pre').allTextContents()).toEqual(['{\n  "part": "x"\n}', 'slow result']);
      expect(await textOf(answerIn(page))).toBe('So. \nThe end.');
      expect(calls).toBe(1);
      expect(complaints).toEqual([]);
    });

    it('while a call waits for a person: that person decides after it, once', async () => {
      const answer = await say('please', [calling('careful'), end]);
      await answer.getByRole('button', { name: 'Approve' }).waitFor();
      await page.reload();
      await answerIn(page)
        .getByText(/\d+ min \d+ s left/)
        .waitFor();
      expect(calls).toBe(0);
      await answerIn(page).getByRole('button', { name: 'Approve' }).click();
      await isOver(answerIn(page));
      await page.reload();
      await isOver(answerIn(page));
      expect(await answerIn(page).getByRole('button', { name: 'Approve' }).count()).toBe(0);
      expect(await answerIn(page).locator('details.tool').count()).toBe(1);
      expect(calls).toBe(1);
      expect(complaints).toEqual([]);
    });
  });

  describe('two tabs of one conversation', () => {
    it('show the same, what one of them begins and what one of them decides', async () => {
      await isOver(await say('hello', [end]));
      const second = await openPage(context);
      await second.page.goto(page.url());
      await isOver(answerIn(second.page));
      const answer = await say('please', [calling('careful'), streaming]);
      await answer.getByRole('button', { name: 'Approve' }).waitFor();
      await answerIn(second.page).getByRole('button', { name: 'Approve' }).click();
      await Promise.all([streamed(answer), streamed(answerIn(second.page))]);
      expect(await answer.getByRole('button', { name: 'Approve' }).count()).toBe(0);
      await Promise.all([isOver(answer), isOver(answerIn(second.page))]);
      const transcripts = [page, second.page].map((tab) => tab.locator('#turns .blocks').allTextContents());
      const [one, other] = await Promise.all(transcripts);
      expect(other).toEqual(one);
      expect(await textOf(answer)).toContain(TEXT);
      expect([...complaints, ...second.complaints]).toEqual([]);
    });
  });

  describe('what the page cannot follow any more', () => {
    it('leads to the sign-in page when the login has ended', async () => {
      await streamed(await say('please', [{ ...streaming, paceMs: 100 }]));
      await page.evaluate(async () => {
        await fetch('/api/auth/logout', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        });
      });
      await page.getByRole('button', { name: 'Sign in' }).waitFor({ timeout: 30_000 });
      expect(await page.getByRole('article').count()).toBe(0);
    });

    it('ends quietly when the conversation was deleted', async () => {
      const answer = await say('please', [{ ...streaming, paceMs: 100 }]);
      await streamed(answer);
      await api.call('DELETE', `/api/agent/sessions/${new URL(page.url()).hash.slice(1)}`);
      await answer.getByText(/Stopped ·|not there any more/).waitFor();
      await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'hidden' });
      expect(await page.getByRole('alert').allTextContents()).not.toContainEqual(expect.stringMatching(/./));
    });
  });

  describe('what can be done with an answer', () => {
    it('tells what a run took, and the conversation in all', async () => {
      const usage = {
        input_tokens: 1_200,
        output_tokens: 34,
        cache_read_input_tokens: 5_600,
        cache_creation_input_tokens: 78,
      };
      const answer = await say('please', [{ sse: textReply(['One.'], usage) }]);
      await isOver(answer);
      await answer.locator('.took summary').click();
      const figures = await answer.locator('.took dl > div').allInnerTexts();
      expect(figures.map((line) => line.replace(/\s+/, ': '))).toEqual(
        expect.arrayContaining(['Input: 1,200', 'Output: 34', 'Turns: 1']),
      );
      expect(await answer.locator('.took dl').innerText()).toMatch(/Read from cache\s+5,600/);
      expect(await answer.locator('.took summary').innerText()).toMatch(
        /^Done · claude-opus-5-5 · [\d.]+ m?s · \$0\.\d+$/,
      );
      await isOver(await say('again', [{ sse: textReply(['Two.'], usage) }]));
      const total = /2 runs · 13,756 tokens in · 68 out · \$0\.\d+/;
      await page.getByText(total).waitFor();
      await page.reload();
      await page.getByText(total).waitFor();
      expect(complaints).toEqual([]);
    });

    it('shows calls with arguments, results and how long they took, and thinking folded', async () => {
      const thinking = [
        messageStart(),
        ...thinkingBlock(0, 'Hm, let me see.', 'signature'),
        ...textBlock(1, ['Now ', '**look**.\n\n```js\nconst a = 1;\n```\n']),
        ...messageEnd('end_turn'),
      ];
      const answer = await say('please', [calling('careful'), { sse: thinking, paceMs: 100 }]);
      await answer.getByRole('button', { name: 'Approve' }).click();
      await isOver(answer);
      const card = answer.locator('details.tool');
      expect(await card.locator('.tool-state').innerText()).toMatch(/^\d+ ms$/);
      expect(await card.locator('pre').nth(1).textContent()).toMatch(
        /^\{\n {2}"done": true,\n {2}"lines": \[\n/,
      );
      await card.getByRole('button', { name: /Show all [\d,]+ characters/ }).click();
      await card.getByRole('button', { name: 'Show less', expanded: true }).click();
      const fold = answer.locator('details.thinking');
      expect(await fold.getAttribute('open')).toBe(null);
      await fold.getByText(/Thought for \d/).click();
      await fold.getByText('Hm, let me see.').waitFor();
      await page.screenshot({ path: join(screenshotFolder('conversation'), '1-answer.png'), fullPage: true });
      await answer.getByRole('button', { name: 'Copy the answer as Markdown' }).click();
      await answer.getByText('Copied').waitFor();
      expect(await copiedText(page)).toBe('So. \n\nNow **look**.\n\n```js\nconst a = 1;\n```\n');
      expect(complaints).toEqual([]);
    });

    it('begins another conversation from a message, with all before it', async () => {
      await isOver(await say('first', [{ sse: textReply(['One.']) }]));
      await isOver(await say('second', [{ sse: textReply(['Two.']) }]));
      const address = page.url();
      const said = page.getByRole('article', { name: 'You' });
      await said.nth(1).hover();
      await page.getByRole('button', { name: 'Fork from here' }).nth(1).click();
      await page.getByText('From another conversation').waitFor();
      expect(page.url()).not.toBe(address);
      await until(
        'the message to be there',
        async () => (await page.getByLabel('Message').inputValue()) === 'second',
      );
      expect(await said.allTextContents()).toEqual(['first']);
      await isOver(await say('another second', [{ sse: textReply(['Three.']) }]));
      expect(await said.allTextContents()).toEqual(['first', 'another second']);
      expect(upstream.complaints).toEqual([]);
      await page.getByRole('button', { name: 'Fork from here' }).first().click();
      await until(
        'the first message',
        async () => (await page.getByLabel('Message').inputValue()) === 'first',
      );
      expect(await said.count()).toBe(0);
      expect(complaints).toEqual([]);
    });

    it('tries again what has failed, with the same message', async () => {
      const failure = { type: 'error', error: { type: 'invalid_request_error', message: 'Not today.' } };
      const answer = await say('please', [{ status: 400, json: failure }]);
      await answer.getByText('Failed ·').waitFor();
      await page.reload();
      upstream.answer([end]);
      await answerIn(page).getByRole('button', { name: 'Try again' }).click();
      await isOver(answerIn(page));
      expect(await page.getByRole('article', { name: 'You' }).allTextContents()).toEqual([
        'please',
        'please',
      ]);
      expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0);
      expect(complaints).toEqual([]);
    });
  });
}
