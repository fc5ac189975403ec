import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { signIn } from '../support/api.js';
import { faultsOf, textOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { readSse } from '../support/sse-client.js';
import { upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import { hasChromium, launchChromium, openPage, postFromPage, signInPage } from './chromium.js';

const WORDS = Array.from({ length: 60 }, (_, n) => `w${n} `);

/** What the page's script leaves behind for the test. */
interface Seen {
  events: ViewedEvent[];
  opens: number;
  states: number[];
}

declare global {
  var seen: Seen;
  var source: { readyState: number };
}

if (hasChromium()) {
  let upstream: FakeUpstream;
  let server: ServerProcess;
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    upstream = await FakeUpstream.start(answer);
    server = await ServerProcess.start({ env: upstreamEnv(upstream.url) });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await upstream?.stop();
  });

  beforeEach(async () => {
    await context?.close();
    context = await browser.newContext();
  });

  describe('new EventSource(url) in a page that is signed in by cookie', () => {
    it('hears tokens, tools and done, and then stops by itself', async () => {
      const { page, session } = await pageWithSource();
      await postFromPage(page, `/api/agent/sessions/${session}/messages`, { content: 'please' });
      const list = await seenUntilDone(page);
      expect(faultsOf(list)).toEqual([]);
      expect(new Set(list.map(({ event }) => event))).toEqual(
        new Set(['run', 'token', 'tool_call', 'tool_result', 'done']),
      );
      expect(textOf(list)).toBe(WORDS.join('') + 'end');
      await until(
        'the EventSource to be closed by 204',
        async () => (await page.evaluate(() => source.readyState)) === 2,
      );
    });

    it('goes on by itself, without a handler, when the server is killed in mid-run and comes back', async () => {
      const { page, session } = await pageWithSource();
      await postFromPage(page, `/api/agent/sessions/${session}/messages`, { content: 'please' });
      await until('some words', async () => (await page.evaluate(() => seen.events.length)) > 10);
      await server.crash();
      await server.restart();
      const list = await seenUntilDone(page);
      expect(faultsOf(list)).toEqual([]);
      expect(textOf(list)).toBe(WORDS.join('') + 'end');
      expect(await page.evaluate(() => seen.opens)).toBeGreaterThan(1);
      const url = `${server.url}/api/agent/stream?session_id=${session}`;
      const fresh = await readSse(url, { headers: { cookie: await signIn(server.url) } });
      expect(fresh.events).toEqual(list);
    });
  });

  /** A page on the server's own origin with a session, its EventSource open as in the README. */
  async function pageWithSource(): Promise<{ page: Page; session: string }> {
    const { page } = await openPage(context);
    await page.goto(`${server.url}/`);
    await signInPage(page);
    const { id: session } = await postFromPage<{ id: string }>(page, '/api/agent/sessions', {});
    await page.evaluate((sessionId) => {
      globalThis.seen = { events: [], opens: 0, states: [] };
      const opened = new EventSource(`/api/agent/stream?session_id=${sessionId}`);
      globalThis.source = opened;
      opened.addEventListener('open', () => (seen.opens += 1));
      for (const name of ['run', 'token', 'tool_call', 'tool_result', 'reset', 'done']) {
        opened.addEventListener(name, (message) => {
          const { lastEventId, data } = message as unknown as { lastEventId: string; data: string };
          seen.events.push({ event: name, id: lastEventId, data });
        });
      }
    }, session);
    return { page, session };
  }
}

/** Words, a tool call, and the end. */
function answer(call: UpstreamCall) {
  if (call.body.messages.length > 1) return { sse: textReply(['end']) };
  const calls = [{ id: `toolu_${call.number}`, name: 'get_time', input: {} }];
  return { sse: toolReply(WORDS, calls), paceMs: 15 };
}

async function seenUntilDone(page: Page): Promise<ViewedEvent[]> {
  await until('done in the page', () => page.evaluate(() => seen.events.at(-1)?.event === 'done'), 20_000);
  return page.evaluate(() => seen.events);
}
