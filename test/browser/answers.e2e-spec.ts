import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { Browser, Page } from 'playwright-core';
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
import { startApp, type RunningApp } from '../support/app.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { upstreamEnv } from '../support/test-env.js';
import { payloads } from './answer-payloads.js';
import { enterConsole, hasChromium, launchChromium, openPage } from './chromium.js';

/** Scripts of a page: not part of what is compiled. */
const path = './in-page.js';
const { countRemovals, inspectAnswers, noteViolations, shownAnswers } = (await import(path)) as {
  countRemovals: () => void;
  inspectAnswers: () => string[];
  noteViolations: () => void;
  shownAnswers: () => string;
};

declare global {
  var violations: string[];
  var removals: number;
}

/** What its tool answers. */
let reply = '';

@Injectable()
class AnyTools {
  @Tool({ name: 'any', description: 'Says what it is to say.', input: z.strictObject({}) })
  any(): string {
    return reply;
  }
}

class AroundApp {}

/** Who came, by connection and by request. */
const visits: string[] = [];

/** HTML without what all links have, which is looked at by itself. */
const plain = (html: string) =>
  html.replace(/<a [^>]*>/g, (tag) => `<a ${(/href="[^"]*"/.exec(tag) ?? [''])[0]}>`);

if (hasChromium()) {
  let trap: Server;
  let upstream: FakeUpstream;
  let app: RunningApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  const foreign: string[] = [];
  let kind = 'answer';
  let made = 0;

  beforeAll(async () => {
    trap = createServer((request, response) => {
      visits.push(`${request.method} ${request.url}`);
      response.end();
    }).listen(0, '0.0.0.0');
    await once(trap, 'listening');
    trap.on('connection', () => visits.push('connection'));
    upstream = await FakeUpstream.start(answer);
    app = await startApp(upstreamEnv(upstream.url), (application) => ({
      module: AroundApp,
      imports: [application],
      providers: [AnyTools],
    }));
    browser = await launchChromium();
    const opened = await openPage(await browser.newContext());
    ({ page, complaints } = opened);
    page.on('request', (request) => {
      if (!request.url().startsWith(app.url)) foreign.push(request.url());
    });
    await page.addInitScript(noteViolations);
    await enterConsole(page, app.url);
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    await upstream?.stop();
    trap?.closeAllConnections();
    trap?.close();
  });

  /** The text, in the place where it is wanted. */
  function answer({ body }: UpstreamCall): Reply {
    if (kind === 'thinking') {
      const blocks = [...thinkingBlock(0, reply, `signature ${(made += 1)}`), ...textBlock(1, ['end'])];
      return { sse: [messageStart(), ...blocks, ...messageEnd('end_turn')] };
    }
    if (kind === 'an error')
      return {
        status: 400,
        json: { type: 'error', error: { type: 'invalid_request_error', message: reply } },
      };
    if (kind === 'the result of a tool' && body.messages.length === 1)
      return { sse: toolReply([], [{ id: 'toolu_1', name: 'any', input: {} }]) };
    if (kind !== 'answer') return { sse: textReply(['end']) };
    const size = Math.max(5, Math.ceil(reply.length / 60));
    const characters = Array.from(reply);
    const pieces = Array.from({ length: Math.ceil(characters.length / size) }, (_, n) =>
      characters.slice(n * size, (n + 1) * size).join(''),
    );
    return { sse: textReply(pieces) };
  }

  /** Asks in a new conversation and waits for the end of the answer. */
  async function ask(text: string, where = 'answer'): Promise<void> {
    [reply, kind] = [text, where];
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('article').first().waitFor({ state: 'detached' });
    await page.getByLabel('Message').fill(where === 'what the user said' ? text : 'please');
    await page.getByLabel('Message').press('Enter');
    await page
      .getByRole('article', { name: 'Answer' })
      .getByText(/(Done|Failed) ·/)
      .waitFor();
  }

  /** Shows the conversation as who comes later sees it: in a new page, or, which is quicker, by leaving it and going back. */
  async function readAgain(inNewPage: boolean): Promise<void> {
    if (inNewPage) await page.reload();
    else {
      await page.getByRole('button', { name: 'New conversation' }).click();
      await page.getByRole('article').first().waitFor({ state: 'detached' });
      await page.goBack();
    }
    await page
      .getByRole('article', { name: 'Answer' })
      .getByText(/(Done|Failed) ·/)
      .waitFor();
  }

  /** A browser may make ready for a link that the pointer is on. */
  async function pointAtALink(): Promise<void> {
    const [link] = await page.locator('.answer a').all();
    await link?.scrollIntoViewIfNeeded();
    const box = await link?.boundingBox();
    if (box) await page.mouse.move(box.x + 3, box.y + 3);
  }

  const shown = () => page.evaluate(shownAnswers);

  describe('an answer that attacks the page that shows it', () => {
    const rows = payloads('http://trap.localhost:1');

    it('comes in at least 100 ways', () => {
      expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
      expect(rows.length).toBeGreaterThanOrEqual(100);
    });

    afterEach(() => {
      expect(complaints.splice(0)).toEqual([]);
    });

    it.each(rows.map(({ name }, index) => [name, index] as const))(
      '%s: nothing is loaded, run, hidden or named',
      async (_name, index) => {
        const port = (trap.address() as AddressInfo).port;
        const { text } = payloads(`http://trap.localhost:${port}`)[index]!;
        await ask(text);
        const live = await shown();
        expect(await page.evaluate(inspectAnswers)).toEqual([]);
        await readAgain(index % 10 === 0);
        expect(await shown()).toBe(live);
        await pointAtALink();
        expect(live.length).toBeGreaterThan(0);
        expect(await page.evaluate(() => violations)).toEqual([]);
        expect({ visits, foreign }).toEqual({ visits: [], foreign: [] });
      },
    );
  });

  it('shows Markdown as what it means, and a picture as a link to where it is', async () => {
    await ask(
      [
        '# A *title*\n\nOne **two** `three`\nfour ~~five~~ &copy; [six](https://a.example/b?c=1&amp;d=2).',
        '3. x\n   - [x] y\n4. z',
        '| a | b |\n|---|--:|\n| 1 | 2 |',
        '> q\n\n---',
        '```sql\nselect 1;\n```',
        '![a cat](https://a.example/cat.png) [r][ref] [no](/api) <b>',
        '[ref]: https://b.example/',
      ].join('\n\n'),
    );
    const attributes = await page
      .locator('.answer a')
      .first()
      .evaluate((node: unknown) => {
        const { attributes: all } = node as { attributes: Iterable<{ name: string; value: string }> };
        return Object.fromEntries([...all].map(({ name, value }) => [name, value]));
      });
    expect(attributes).toEqual({
      href: 'https://a.example/b?c=1&d=2',
      title: 'https://a.example/b?c=1&d=2',
      target: '_blank',
      rel: 'noopener noreferrer nofollow',
      referrerpolicy: 'no-referrer',
    });
    expect(plain(await shown()).replace(/>\s+</g, '><')).toBe(
      [
        '<h3>A <em>title</em></h3>',
        '<p>One <strong>two</strong><code>three</code><br>four <del>five</del> © ',
        '<a href="https://a.example/b?c=1&amp;d=2">six</a>',
        '<span class="address quiet" dir="ltr"> (a.example/b?c=1&amp;d=2)</span>.</p>',
        '<ol start="3"><li>x<ul><li>☑ y</li></ul></li><li>z</li></ol>',
        '<div class="table" role="region" aria-label="Table" tabindex="0"><table>',
        '<thead><tr><th>a</th><th align="right">b</th></tr></thead>',
        '<tbody><tr><td>1</td><td align="right">2</td></tr></tbody></table></div>',
        '<blockquote><p>q</p></blockquote><hr>',
        '<div class="code"><div class="code-head quiet"><span>sql</span>',
        '<button type="button" class="plain"><span aria-live="polite">Copy</span></button></div>',
        '<pre dir="ltr" tabindex="0"><code>select 1;</code></pre></div>',
        '<p><a href="https://a.example/cat.png">Image: a cat</a>',
        '<span class="address quiet" dir="ltr"> (a.example/cat.png)</span>',
        '<a href="https://b.example/">r</a><span class="address quiet" dir="ltr"> (b.example)</span>',
        ' no (/api) &lt;b&gt;</p><p>[ref]: https://b.example/</p>\n',
      ].join(''),
    );
  });

  it('would have been counted by the trap', async () => {
    const visitor = await page.context().newPage();
    await visitor.goto(`http://trap.localhost:${(trap.address() as AddressInfo).port}/?d=SECRET`);
    await visitor.close();
    expect(visits.splice(0)).toContain('GET /?d=SECRET');
  });

  describe('an answer of 200 KB', () => {
    const part = [
      '## Part\n\nSome *words* and a [link](https://example.com/).\n\n',
      '- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n',
      `\`\`\`js\n${'const a = 1; // code\n'.repeat(60)}\`\`\`\n\n`,
      `${'Lorem ipsum dolor sit amet. '.repeat(60)}\n\n`,
    ].join('');

    it('is drawn piece by piece, and no piece a second time when it is over', async () => {
      reply = part.repeat(Math.ceil(200_000 / part.length));
      await page.getByRole('button', { name: 'New conversation' }).click();
      await page.getByRole('article').first().waitFor({ state: 'detached' });
      await page.evaluate(countRemovals);
      await page.getByLabel('Message').fill('please');
      await page.getByLabel('Message').press('Enter');
      const answer = page.getByRole('article', { name: 'Answer' });
      const early = await answer.locator('.answer h4').first().elementHandle();
      await answer.getByText('Done ·').waitFor();
      const headings = reply.split('## Part').length - 1;
      expect(await answer.locator('.answer h4').count()).toBe(headings);
      expect(await early?.evaluate((node: unknown) => (node as { isConnected: boolean }).isConnected)).toBe(
        true,
      );
      // Each of 60 pieces of the stream may have drawn what was then the last block again, which is small.
      expect(await page.evaluate(() => removals)).toBeLessThan(60 * 5);
      expect(complaints).toEqual([]);
    });
  });

  describe('what is not the answer', () => {
    const MARKDOWN =
      '# x\n\n**bold** ![x](http://127.0.0.1:9/?d=SECRET) <img src="http://127.0.0.1:9/"> \u202etxt';
    const SHOWN = MARKDOWN.replace('\u202e', '⟨U+202E⟩');

    it.each([
      ['thinking', '.thinking-text'],
      ['the result of a tool', '.tool pre >> nth=1'],
      ['what the user said', '.said'],
      ['an error', '.alarm'],
    ])('is plain text: %s', async (kind, place) => {
      await ask(MARKDOWN, kind);
      const box = page.getByRole('region', { name: 'Conversation' }).locator(place);
      expect(await box.textContent()).toContain(SHOWN);
      expect(await box.locator('*').count()).toBe(0);
      expect(complaints.splice(0)).toEqual([]);
    });
  });
}
