import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Locator, Page } from 'playwright-core';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { Api, expectStatus, tokenFor } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { enterConsole, hasChromium, launchChromium, openPage } from './chromium.js';

const FILE = 'notes/one & two.txt';
const SCRIPT: Record<string, [tool: string, input: object][]> = {
  'write it': [['write_file', { path: FILE, content: 'one\ntwo\n' }]],
  'change it': [
    ['edit_file', { path: FILE, edits: [{ old_string: 'two', new_string: '<img src=x>' }] }],
    ['write_file', { path: 'other.txt', content: 'new\n' }],
  ],
  'have it done': [['task', { prompt: 'write one more', agent: 'general', description: 'One more' }]],
  'write one more': [['write_file', { path: 'child.txt', content: 'of the sub-agent\n' }]],
};

/** The calls of the message that was said last, all at once, and then the end. */
function answer({ body }: UpstreamCall) {
  const last = body.messages.at(-1)!.content;
  const blocks = typeof last === 'string' ? [{ type: 'text', text: last }] : last;
  const said = blocks.map((block) => ('text' in block ? String(block.text) : '')).join('');
  const steps = SCRIPT[said] ?? [];
  if (steps.length === 0) return { sse: textReply(['The end.']) };
  const uses = steps.map(([name, input], n) => ({ id: `toolu_${body.messages.length}_${n}`, name, input }));
  return { sse: toolReply([], uses) };
}

/** What stands under "Changed files": path and kind of each file, then the lines that are marked. */
async function changesOf(own: Locator): Promise<[string[], string[]]> {
  const box = own.locator('details.changes');
  await box.locator('summary').click();
  await box.locator('.changes-body > *').first().waitFor();
  const heads = await box.locator('.changes-body > div > p').allTextContents();
  const lines = await box.locator('.added, .removed').allTextContents();
  return [heads, lines.map((line) => line.trimEnd())];
}

if (hasChromium()) {
  let upstream: FakeUpstream;
  let app: RunningApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    upstream = await FakeUpstream.start(answer);
    app = await startApp(upstreamEnv(upstream.url));
    browser = await launchChromium();
    ({ page, complaints } = await openPage(await browser.newContext()));
    await enterConsole(page, app.url);
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    await upstream?.stop();
  });

  const answers = () => page.getByRole('article', { name: 'Answer' });

  async function ask(text: string): Promise<Locator> {
    const before = await answers().count();
    await page.getByLabel('Message').fill(text);
    await page.getByLabel('Message').press('Enter');
    const own = answers().nth(before);
    await own.getByText('Done ·').waitFor();
    return own;
  }

  async function readAnew(own: Locator): Promise<void> {
    await page.reload();
    await own.getByText('Done ·').waitFor();
  }

  describe('the files that a run has changed', () => {
    it('are shown with what is new and what is gone, each as it is written', async () => {
      expect(await changesOf(await ask('write it'))).toEqual([[`${FILE} new`], ['+one', '+two']]);
      expect(await changesOf(await ask('change it'))).toEqual([
        [`${FILE} changed`, 'other.txt new'],
        ['-two', '+<img src=x>', '+new'],
      ]);
      expect(complaints).toEqual([]);
    });

    it('are those of that run also when the page is read anew, and none when it was taken back', async () => {
      const api = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
      const [run] = await api.runsOf(new URL(page.url()).hash.slice(1));
      const [first, second] = [answers().nth(0), answers().nth(1)];
      await readAnew(second);
      expect((await changesOf(second))[0]).toEqual([`${FILE} changed`, 'other.txt new']);

      expectStatus(await api.call('POST', `/api/agent/runs/${run!.id}/revert`, {}), 200);
      await readAnew(second);
      expect(await changesOf(second)).toEqual([[], []]);
      await second.getByText('No file is other than before.').waitFor();
      expect(await changesOf(first)).toEqual([[`${FILE} new`], ['+one', '+two']]);
    });

    it('are not offered for a run without such a tool', async () => {
      const own = await ask('nothing');
      expect(await own.locator('details.changes').count()).toBe(0);
    });
  });

  describe('the work of a sub-agent', () => {
    it('is one link away from the call that asked for it, and leads back', async () => {
      const own = await ask('have it done');
      const parent = new URL(page.url()).hash;
      expect(await changesOf(own)).toEqual([['child.txt new'], ['+of the sub-agent']]);
      await own.locator('details.tool summary').click();
      await own.getByRole('link', { name: 'What the sub-agent did (general)' }).click();
      await page.getByRole('heading', { level: 1, name: 'One more' }).waitFor();
      await answers().getByText('Done ·').waitFor();
      expect(await answers().locator('.tool-name').allTextContents()).toEqual(['write_file']);
      await page.getByRole('link', { name: 'Back to the conversation that asked for it' }).click();
      await answers().nth(3).getByText('Done ·').waitFor();
      expect(new URL(page.url()).hash).toBe(parent);
      expect(complaints).toEqual([]);
    });
  });
}
