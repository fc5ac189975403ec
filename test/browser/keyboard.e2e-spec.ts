import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { Api, tokenFor } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { TEST_ENV } from '../support/test-env.js';
import { enterConsole, hasChromium, launchChromium, openPage } from './chromium.js';

const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 800 };

if (hasChromium()) {
  let app: RunningApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    app = await startApp({ ANTHROPIC_BASE_URL: undefined, ANTHROPIC_API_KEY: undefined });
    const api = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
    for (const title of ['Third', 'Second', 'First']) await api.createSession({ title });
    browser = await launchChromium();
    const context = await browser.newContext({ viewport: WIDE, colorScheme: 'dark' });
    ({ page, complaints } = await openPage(context));
    await enterConsole(page, app.url);
    await page.locator('#sessions a').nth(2).waitFor();
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
  });

  const scheme = () =>
    page.evaluate('getComputedStyle(document.documentElement).colorScheme') as Promise<string>;
  const paper = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  const isOpen = async () => (await page.locator('#menu').getAttribute('aria-expanded')) === 'true';
  const focused = () => page.locator(':focus').getAttribute('id');
  const heading = (name: string) => page.getByRole('heading', { level: 1, name }).waitFor();
  const help = () => page.getByRole('dialog', { name: 'Keyboard shortcuts' });

  describe('the keyboard', () => {
    it('reaches the conversation in two steps', async () => {
      await page.goto(app.url);
      await page.locator('#message:focus').waitFor();
      await page.locator('body').evaluate((body: unknown) => {
        const { ownerDocument } = body as { ownerDocument: { activeElement: { blur(): void } } };
        ownerDocument.activeElement.blur();
      });
      await page.locator('#skip').focus();
      expect((await page.locator('#skip').boundingBox())!.y).toBeGreaterThanOrEqual(0);
      await page.keyboard.press('Enter');
      expect(await focused()).toBe('message');
      expect(new URL(page.url()).hash).toBe('');
    });

    it('goes through the conversations and begins a new one', async () => {
      await page.keyboard.press('Alt+ArrowDown');
      await heading('First');
      await page.keyboard.press('Alt+ArrowDown');
      await heading('Second');
      await page.keyboard.press('Alt+ArrowUp');
      await heading('First');
      await page.keyboard.press('Alt+ArrowUp');
      await page.keyboard.press('Control+Shift+KeyO');
      await heading('New conversation');
    });

    it('searches, and names all keys with the question mark, which is a sign like others in a field', async () => {
      await page.keyboard.press('Control+KeyK');
      expect(await focused()).toBe('search');
      await page.keyboard.type('?');
      expect(await page.locator('#search').inputValue()).toBe('?');
      await page.keyboard.press('Escape');
      expect(await help().isVisible()).toBe(false);
      await page.getByRole('button', { name: 'New conversation' }).focus();
      await page.keyboard.press('?');
      await help().waitFor();
      await help().getByRole('checkbox').uncheck();
      await page.keyboard.press('Escape');
      await help().waitFor({ state: 'hidden' });
      expect(await focused()).toBe('new-session');
      await page.keyboard.press('?');
      expect(await help().isVisible()).toBe(false);
      await page.keyboard.press('Control+/');
      await help().getByRole('checkbox').check();
      await page.keyboard.press('Escape');
    });

    it('stops an answer, but not with the Escape that closes a menu or a dialog, or is for the search', async () => {
      await page.getByLabel('Message').fill('Tell me a long story about everything there is.');
      await page.keyboard.press('Enter');
      const stop = page.getByRole('button', { name: 'Stop' });
      await stop.waitFor();
      await page.keyboard.press('Control+/');
      await help().waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Account and settings' }).click();
      await page.locator('#account-menu').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('#account-menu').waitFor({ state: 'hidden' });
      await page.keyboard.press('Control+KeyK');
      await page.keyboard.press('Escape');
      // While it stops, the button cannot be pressed.
      expect([await focused(), await stop.isVisible(), await stop.isEnabled()]).toEqual([
        'search',
        true,
        true,
      ]);
      await page.getByLabel('Message').focus();
      await page.keyboard.press('Escape');
      await page.getByRole('article', { name: 'Answer' }).getByText('Stopped').waitFor();
    });
  });

  describe('the theme', () => {
    it('is that of the system until one is chosen, and then holds before anything is painted', async () => {
      const dark = await paper();
      expect(await scheme()).toBe('light dark');
      await page.getByRole('button', { name: 'Account and settings' }).click();
      await page.getByRole('radio', { name: 'Light' }).focus();
      await page.keyboard.press('Space');
      const light = await paper();
      expect([await scheme(), light === dark]).toEqual(['light', false]);
      // None of the modules has run: the page is as it is first painted.
      await page.route('**/console.js', (route) => route.abort());
      await page.goto(app.url);
      expect([await scheme(), await paper()]).toEqual(['light', light]);
      await page.unroute('**/console.js');
      complaints.length = 0;
      await page.goto(app.url);
      await page.getByRole('button', { name: 'Account and settings' }).click();
      expect(await page.getByRole('radio', { name: 'Light' }).isChecked()).toBe(true);
      await page.getByText('System', { exact: true }).click();
      expect([await scheme(), await paper()]).toEqual(['light dark', dark]);
      await page.keyboard.press('Escape');
    });

    it('is the same in all tabs', async () => {
      const other = await page.context().newPage();
      await other.goto(app.url);
      await other.getByRole('button', { name: 'Account and settings' }).click();
      await other.getByText('Light', { exact: true }).click();
      await page.locator('html[data-theme=light]').waitFor({ state: 'attached' });
      await other.getByText('System', { exact: true }).click();
      await page.locator('html:not([data-theme])').waitFor({ state: 'attached' });
      await other.close();
    });
  });

  describe('the list of conversations on a phone', () => {
    beforeAll(() => page.setViewportSize(PHONE));
    afterAll(() => page.setViewportSize(WIDE));

    it('lies over the page, has the focus, and gives it back', async () => {
      await page.getByRole('button', { name: 'New conversation' }).waitFor({ state: 'hidden' });
      await page.locator('#menu').click();
      expect(await focused()).toBe('new-session');
      expect(await page.locator('#stage').getAttribute('inert')).toBe('');
      await page.keyboard.press('Escape');
      expect([await isOpen(), await focused()]).toEqual([false, 'menu']);
      await page.locator('#menu').click();
      await page.getByRole('button', { name: 'Close' }).click();
      expect([await isOpen(), await focused()]).toEqual([false, 'menu']);
      await page.locator('#menu').click();
      await page.mouse.click(PHONE.width - 10, 300);
      expect([await isOpen(), await page.locator('#stage').getAttribute('inert')]).toEqual([false, null]);
    });

    it('goes away when one is chosen, and when the page gets wide', async () => {
      await page.locator('#menu').click();
      await page.getByRole('link', { name: 'Second' }).click();
      await heading('Second');
      expect(await isOpen()).toBe(false);
      await page.locator('#menu').click();
      await page.setViewportSize(WIDE);
      await page.locator('#menu[aria-expanded=false]').waitFor({ state: 'attached' });
      expect(await page.locator('#stage').getAttribute('inert')).toBeNull();
    });
  });

  it('has no complaint of the browser in all this', () => {
    expect(complaints).toEqual([]);
  });
}
