import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { Api, tokenFor } from '../support/api.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
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

const WORDS = Array.from({ length: 60 }, (_, n) => `w${n} `);

interface Line {
  at_ms: number;
  id?: string;
  event?: string;
  connection?: string;
  last_event_id?: string | null;
  taken_back?: boolean;
  data?: { text?: string };
}

const answerText = (answer: Locator) => answer.locator('.answer').allTextContents();

if (hasChromium()) {
  let upstream: FakeUpstream;
  let server: ServerProcess;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let api: Api;

  beforeAll(async () => {
    upstream = await FakeUpstream.start();
    server = await ServerProcess.start({ env: { ...upstreamEnv(upstream.url), HEARTBEAT_MS: '300' } });
    browser = await launchChromium();
    api = new Api(server.url, await tokenFor(server.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
  });

  afterEach(() => context?.close());

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await upstream?.stop();
  });

  /** Signs in and says something; the drawer is opened by keyboard before. */
  async function ask(): Promise<Locator> {
    context = await browser.newContext({ viewport: { width: 1440, height: 860 } });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    ({ page } = await openPage(context));
    await enterConsole(page, server.url);
    await opener().focus();
    await page.keyboard.press('Enter');
    await drawer().waitFor();
    await page.getByLabel('Message').fill('please');
    await page.getByLabel('Message').press('Enter');
    return page.getByRole('article', { name: 'Answer' });
  }

  const opener = () => page.locator('#open-wire');
  const drawer = () => page.getByRole('complementary', { name: 'On the wire' });
  const rows = (type: string) => drawer().locator(`li[data-type="${type}"]`);
  const types = () =>
    drawer()
      .getByRole('list', { name: 'Events' })
      .locator('> li')
      .evaluateAll((items: { dataset: { type: string } }[]) => items.map(({ dataset }) => dataset.type));

  async function copiedLines(): Promise<Line[]> {
    await drawer().getByRole('button', { name: 'Copy as JSON lines' }).click();
    await drawer().getByText('Copied').waitFor();
    const text = await copiedText(page);
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }

  /** Ids of the run as everybody else gets them. */
  async function idsOfLatestRun(): Promise<(string | undefined)[]> {
    const { body } = await api.call<{ data: { id: string }[] }>('GET', '/api/agent/sessions?limit=1');
    const { events } = await api.read({ session_id: body.data[0]!.id });
    return events.map(({ id }) => id);
  }

  /** Words and a tool call, then the end. */
  function wordsAndTool({ body }: UpstreamCall, paceMs = 0) {
    if (body.messages.length > 1) return { sse: textReply(['end']) };
    return { sse: toolReply(WORDS, [{ id: 'toolu_1', name: 'get_time', input: {} }]), paceMs };
  }

  describe('the drawer with what happened on the wire', () => {
    it('lists every event once, with pieces of text as one row that can be opened', async () => {
      upstream.answer((call) => wordsAndTool(call));
      const answer = await ask();
      await answer.getByText('Done ·').waitFor();
      await rows('done').waitFor();
      const listed = await types();
      expect(listed.filter((type, n) => type !== 'run' || listed[n - 1] !== 'run')).toEqual([
        'asked',
        'open',
        'run',
        'token',
        'tool_call',
        'tool_result',
        'token',
        'done',
      ]);
      await page.screenshot({ path: join(screenshotFolder('wire'), '1-done.png') });
      const group = rows('token').first();
      expect(await group.locator('summary').innerText()).toMatch(/60 tokens, [\d.]+ m?s/);
      await group.locator('summary').press('Enter');
      await until('the pieces', async () => (await group.locator('.wire-piece').count()) === WORDS.length);
      expect(await group.locator('.wire-piece').nth(7).innerText()).toContain('"w7 "');
      await rows('tool_call').locator('summary').click();
      expect(await rows('tool_call').locator('pre').innerText()).toContain('"name": "get_time"');

      const lines = await copiedLines();
      expect(lines.filter(({ id }) => id).map(({ id }) => id)).toEqual(await idsOfLatestRun());
      const times = lines.map(({ at_ms: at }) => at);
      expect(times.toSorted((a, b) => a - b)).toEqual(times);
    });

    it('lists only the kinds that are wanted, and closes by keyboard without stopping anything', async () => {
      upstream.answer((call) => wordsAndTool(call, 30));
      const answer = await ask();
      await rows('token').waitFor();
      for (const kind of ['Text', 'Run', 'Connection'])
        await drawer().getByRole('button', { name: kind, exact: true }).click();
      await until('tools alone', async () => (await types()).join() === 'tool_call,tool_result');
      await drawer().getByRole('button', { name: 'Text', exact: true }).click();
      expect((await types()).join()).toBe('token,tool_call,tool_result,token');
      await drawer().getByRole('list', { name: 'Events' }).focus();
      await page.keyboard.press('Escape');
      await drawer().waitFor({ state: 'hidden' });
      expect(await opener().getAttribute('aria-expanded')).toBe('false');
      expect(await opener().evaluate((node) => node === node.ownerDocument.activeElement)).toBe(true);
      await answer.getByText('Done ·').waitFor();
    });

    it('keeps the focus on a row that a reset takes back', async () => {
      upstream.answer(() => ({ sse: textReply(WORDS), paceMs: 40 }));
      const answer = await ask();
      await until('some words', async () => (await answerText(answer)).join('').includes('w9'));
      const summary = rows('token').first().locator('summary');
      await summary.focus();
      await server.crash();
      await rows('lost').first().waitFor();
      await server.restart();
      await drawer().locator('li.taken').waitFor();
      await answer.getByText('Done ·').waitFor();
      expect(await summary.evaluate((node) => node === node.ownerDocument.activeElement)).toBe(true);
      await page.keyboard.press('Enter');
      await rows('token').first().locator('.wire-piece').first().waitFor();
    });

    it('shows that the server died: the cut, the event after which it asked again, and what was taken back', async () => {
      upstream.answer(() => ({ sse: textReply(WORDS), paceMs: 40 }));
      const answer = await ask();
      await until('some words', async () => (await answerText(answer)).join('').includes('w9'));
      await server.crash();
      await rows('lost').first().waitFor();
      await server.restart();
      await answer.getByText('Done ·').waitFor();
      await rows('done').waitFor();
      expect((await answerText(answer)).join('').trim()).toBe(WORDS.join('').trim());
      await page.screenshot({ path: join(screenshotFolder('wire'), '2-died.png') });

      expect(await rows('token').first().getAttribute('class')).toContain('taken');
      expect(await rows('token').first().locator('.wire-words').innerText()).toContain('Taken back');
      expect(await rows('token').last().getAttribute('class')).not.toContain('taken');
      const lines = await copiedLines();
      const cut = lines.findIndex(({ connection }) => connection === 'lost');
      const before = lines.slice(0, cut).findLast(({ id }) => id);
      const again = lines.slice(cut).find(({ connection }) => connection === 'asked');
      expect(again?.last_event_id).toBe(before?.id);
      const kept = lines.filter((line) => line.event === 'token' && !line.taken_back);
      expect(kept.map(({ data }) => data?.text).join('')).toBe(WORDS.join(''));
      expect(lines.filter(({ id }) => id).map(({ id }) => id)).toEqual(await idsOfLatestRun());
    });

    it('shows that the computer was offline, and the answer is whole when it is back', async () => {
      upstream.answer(() => ({ sse: textReply(WORDS), paceMs: 60 }));
      const answer = await ask();
      await until('some words', async () => (await answerText(answer)).join('').includes('w4'));
      await context.setOffline(true);
      await rows('lost').first().waitFor();
      await page.getByText('Reconnecting').waitFor();
      const seen = (await answerText(answer)).join('');
      await until('the run to be over', async () => upstream.calls.at(-1)!.finished, 20_000);
      expect((await answerText(answer)).join('')).toBe(seen);
      await context.setOffline(false);
      await answer.getByText('Done ·').waitFor();
      expect((await answerText(answer)).join('').trim()).toBe(WORDS.join('').trim());
      await rows('done').waitFor();
      const lines = await copiedLines();
      const cut = lines.findIndex(({ connection }) => connection === 'lost');
      const before = lines.slice(0, cut).findLast(({ id }) => id);
      expect(lines.slice(cut).findLast(({ connection }) => connection === 'asked')?.last_event_id).toBe(
        before?.id,
      );
      expect(lines.filter(({ taken_back: back }) => back)).toEqual([]);
      expect(lines.filter(({ id }) => id).map(({ id }) => id)).toEqual(await idsOfLatestRun());
    });

    it('costs a handful of rows for ten thousand tokens', async () => {
      upstream.answer(() => ({ sse: textReply(Array.from({ length: 10_000 }, (_, n) => `${n} `)) }));
      const answer = await ask();
      await answer.getByText('Done ·').waitFor({ timeout: 60_000 });
      await rows('done').waitFor();
      expect(await rows('token').locator('summary').allInnerTexts()).toEqual([
        expect.stringContaining('10,000 tokens'),
      ]);
      expect(await drawer().locator('*').count()).toBeLessThan(200);
      await rows('token').locator('summary').click();
      await drawer().getByRole('button', { name: 'Show more of 9800' }).click();
      expect(await rows('token').locator('.wire-piece').count()).toBe(400);
    }, 120_000);

    it('tells the run of a past answer too, when it is wanted', async () => {
      upstream.answer((call) => wordsAndTool(call));
      const first = await ask();
      await first.getByText('Done ·').waitFor();
      await page.getByLabel('Message').fill('again');
      await page.getByLabel('Message').press('Enter');
      await page.getByRole('article', { name: 'Answer' }).nth(1).getByText('Done ·').waitFor();
      await page.reload();
      const answers = page.getByRole('article', { name: 'Answer' });
      await answers.nth(1).getByText('Done ·').waitFor();
      await answers.nth(0).getByRole('button', { name: 'Wire' }).click();
      await rows('done').waitFor();
      expect(await rows('tool_call').count()).toBe(1);
      const { body } = await api.call<{ data: { id: string }[] }>('GET', '/api/agent/sessions?limit=1');
      const [, run] = await api.runsOf(body.data[0]!.id);
      const ids = (await copiedLines()).flatMap(({ id }) => id ?? []);
      expect(ids.every((id) => id.startsWith(`${run!.id}.`))).toBe(true);
      expect(ids.at(-1)).toBe(run!.last_event_id);
    });
  });
}
