import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { Browser, Locator, Page } from 'playwright-core';
import { z } from 'zod';
import { Tool } from '../../src/tools/tool.decorator.js';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { Api, tokenFor } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { FakeUpstream, type Reply } from '../support/fake-upstream.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import { enterConsole, hasChromium, launchChromium, openPage } from './chromium.js';

/** Everything that could make arguments look like others: hidden, turned round, spaces that are none, JSON in JSON. */
const ARGS = {
  timezone: 'Europe/\u202eegnO\u202c',
  'na\u200bme': '\u{e0041}\u{e0042} \u00a0\u3164\u2028 \\u202e "quoted" \n\t\u0007\u007f\u0085',
  nested: { ключ: ['漢字 ❤\ufe0f', 1e21, -0.5, null, true, [], {}, '<img src=x onerror=alert(1)>'] },
  long: 'x'.repeat(5_000) + ' ' + ' '.repeat(300) + 'END',
};

/** Arguments that the tool really got, as JSON. */
const used: string[] = [];

@Injectable()
class AnyTools {
  @Tool({ name: 'any', description: 'Takes anything.', input: z.looseObject({}), approval: 'always' })
  any(args: object): string {
    used.push(JSON.stringify(args));
    return 'ok';
  }
}

class AroundApp {}

const calling = (input: unknown) => ({ sse: toolReply(['So'], [{ id: 'toolu_1', name: 'any', input }]) });
const end = { sse: textReply(['end']) };

if (hasChromium()) {
  let upstream: FakeUpstream;
  let app: RunningApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  let api: Api;

  beforeAll(async () => {
    upstream = await FakeUpstream.start();
    app = await startApp(upstreamEnv(upstream.url), (application) => ({
      module: AroundApp,
      imports: [application],
      providers: [AnyTools],
    }));
    browser = await launchChromium();
    ({ page, complaints } = await openPage(await browser.newContext()));
    api = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
    await enterConsole(page, app.url);
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    await upstream?.stop();
  });

  async function ask(replies: Reply[]): Promise<Locator> {
    upstream.answer(replies);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('article').first().waitFor({ state: 'detached' });
    await page.getByLabel('Message').fill('please');
    await page.getByLabel('Message').press('Enter');
    return page.getByRole('article', { name: 'Answer' });
  }

  const latestRun = async () => {
    const { body } = await api.call<{ data: { id: string }[] }>('GET', '/api/agent/sessions?limit=1');
    const runs = await api.runsOf(body.data[0]!.id);
    return runs[0]!;
  };

  describe('a call that waits for a person', () => {
    it('shows the arguments that will be used, equal to the byte and with nothing in them hidden', async () => {
      const answer = await ask([calling(ARGS), end]);
      await answer.getByRole('button', { name: 'Approve' }).waitFor();
      const shown = (await answer.locator('.tool pre').first().textContent())!;
      expect(JSON.stringify(JSON.parse(shown))).toBe(JSON.stringify(ARGS));
      expect(shown).not.toMatch(
        /[^\P{Default_Ignorable_Code_Point}]|[\p{Bidi_Control}\u00a0\u2028]|(?!\n)\p{Cc}/u,
      );
      expect(
        await answer
          .locator('.tool pre')
          .first()
          .evaluate((node) => node.scrollHeight - node.clientHeight),
      ).toBe(0);
      await answer.getByRole('button', { name: 'Approve' }).click();
      await answer.getByText('Done').waitFor();
      expect(used.splice(0)).toEqual([JSON.stringify(ARGS)]);
    });

    it('is not decided by a click in its first half second, a script, or what is typed', async () => {
      await page.clock.install();
      const answer = await ask([calling({}), end]);
      const approve = answer.getByRole('button', { name: 'Approve' });
      await until('the button', async () => {
        await page.clock.runFor(50);
        return (await approve.count()) > 0;
      });
      expect(await approve.getAttribute('aria-disabled')).toBe('true');
      expect(await approve.evaluate((node) => node === node.ownerDocument.activeElement)).toBe(false);
      await approve.click({ force: true });
      await page.keyboard.type('approve y yes a ok');
      await page.keyboard.press('Enter');
      await page.clock.runFor(600);
      await approve.evaluate((node: unknown) => (node as { click(): void }).click());
      await approve.dispatchEvent('click');
      expect((await latestRun()).status).toBe('waiting');
      await page.clock.runFor(600);
      expect(await approve.getAttribute('aria-disabled')).toBe(null);
      await approve.click();
      await page.clock.resume();
      await answer.getByText('Done').waitFor();
      expect((await latestRun()).status).toBe('completed');
    });

    it('is on a card of its own when its id was used before', async () => {
      const answer = await ask([calling({ timezone: 'Asia/Tokyo' }), calling({ timezone: 'UTC' }), end]);
      await answer.getByRole('button', { name: 'Approve' }).click();
      await until('the second card', async () => (await answer.locator('details.tool').count()) === 2);
      const second = answer.locator('details.tool').nth(1);
      expect(await second.locator('pre').first().textContent()).toBe('{\n  "timezone": "UTC"\n}');
      expect(
        await answer
          .locator('details.tool')
          .nth(0)
          .getByRole('button', { name: /Approve|Deny/ })
          .count(),
      ).toBe(0);
      await second.getByRole('button', { name: 'Deny' }).click();
      await answer.getByText('Done').waitFor();
    });

    it('has no complaint of the browser in all this', () => {
      expect(complaints).toEqual([]);
    });
  });
}
