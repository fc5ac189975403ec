import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { send, signIn } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { TEST_ENV } from '../support/test-env.js';
import { hasChromium, launchChromium, openPage, screenshotFolder } from './chromium.js';

if (hasChromium()) {
  let app: RunningApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    app = await startApp();
    browser = await launchChromium();
    ({ page, complaints } = await openPage(await browser.newContext({ colorScheme: 'light' })));
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
  });

  const link = () => page.getByRole('link', { name: 'Sign in with SSO' });
  const account = () => page.getByRole('dialog', { name: 'Account' });
  const me = async (key: string) =>
    (await send('GET', `${app.url}/api/auth/me`, undefined, { authorization: `Bearer ${key}` })).status;

  describe('the page of who is not signed in', () => {
    it('offers a password alone where there is no identity provider', async () => {
      const asked = page.waitForResponse('**/api/auth/methods');
      await page.goto(app.url);
      await asked;
      expect(await link().count()).toBe(0);
      expect(complaints).toEqual([]);
    });

    it('offers the identity provider that the server names, and says what came of it', async () => {
      await page.route('**/api/auth/methods', (route) =>
        route.fulfill({
          json: { password: true, oidc: { name: 'id.example', login_url: '/api/auth/oidc/login' } },
        }),
      );
      await page.goto(`${app.url}/?sign_in_error=access_denied`);
      await link().waitFor();
      expect(await link().getAttribute('href')).toBe('/api/auth/oidc/login');
      expect(await page.getByRole('alert').first().textContent()).toContain('access_denied');
      expect(page.url()).toBe(`${app.url}/`);
      await page.goto(`${app.url}/#ses_01h455vb4pex5vsknk084sn02q`);
      await page.locator('#sso[href*="return_to"]').waitFor();
      expect(await link().getAttribute('href')).toBe(
        '/api/auth/oidc/login?return_to=%2F%23ses_01h455vb4pex5vsknk084sn02q',
      );
      await page.unroute('**/api/auth/methods');
    });

    it('never sends anybody to another server, whatever the answer says', async () => {
      await page.route('**/api/auth/methods', (route) =>
        route.fulfill({ json: { oidc: { name: 'x', login_url: 'javascript:alert(1)//' } } }),
      );
      await page.goto(app.url);
      await link().waitFor();
      const href = await link().evaluate((node: unknown) => (node as { href: string }).href);
      expect(new URL(href).origin).toBe(app.url);
      await page.unroute('**/api/auth/methods');
    });
  });

  describe('API keys in the console', () => {
    it('are made, shown once, used and ended', async () => {
      await page.goto(app.url);
      await page.getByLabel(/e-?mail/i).fill(TEST_ENV.ADMIN_EMAIL);
      await page.getByLabel(/password/i).fill(TEST_ENV.ADMIN_PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      const openKeys = async () => {
        await page.getByRole('button', { name: 'Account and settings' }).click();
        await page.getByRole('button', { name: 'API keys' }).click();
      };
      await openKeys();
      const dialog = page.getByRole('dialog', { name: 'API keys' });
      await dialog.getByText('There is none yet.').waitFor();
      await dialog.getByLabel('Name').fill('build server');
      await dialog.getByRole('button', { name: 'Make a key' }).click();
      await dialog.getByText('It is shown now and never again.').waitFor();
      const key = (await dialog.locator('code').textContent())!;
      await page.screenshot({ path: join(screenshotFolder('keys'), '1-made.png') });
      expect(await me(key)).toBe(200);
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'hidden' });
      await page.locator('dialog code', { hasText: key }).waitFor({ state: 'detached' });
      expect(await page.content()).not.toContain(key);
      await openKeys();
      await dialog.getByText('build server').waitFor();
      expect(await dialog.textContent()).not.toContain(key);
      await dialog.getByRole('button', { name: 'End build server' }).click();
      await dialog.getByText('There is none yet.').waitFor();
      expect(await me(key)).toBe(401);
      expect(complaints).toEqual([]);
    });
  });

  describe('the account of who is signed in', () => {
    it('says who one is, and where one is signed in, and signs out there', async () => {
      const elsewhere = await signIn(app.url);
      await page.goto(app.url);
      await page.getByRole('button', { name: 'Account and settings' }).click();
      await page.getByRole('button', { name: 'Account', exact: true }).click();
      await account().getByText('This browser').waitFor();
      expect(await account().locator('#own-id').textContent()).toMatch(/^usr_/);
      expect(await account().locator('#logins li').count()).toBe(2);
      await account().getByRole('button', { name: 'Sign out' }).click();
      await account().locator('#logins li').nth(1).waitFor({ state: 'detached' });
      const { status } = await send('GET', `${app.url}/api/auth/me`, undefined, { cookie: elsewhere });
      expect(status).toBe(401);
    });

    it('changes its password, and is told what is wrong with one', async () => {
      const change = async (current: string, next: string) => {
        await account().getByLabel('Current password').fill(current);
        await account().getByLabel('New password').fill(next);
        await account().getByRole('button', { name: 'Change' }).click();
      };
      await change(TEST_ENV.ADMIN_PASSWORD, 'password123');
      await account().getByText('one of the most common').waitFor();
      await change(TEST_ENV.ADMIN_PASSWORD, 'a password that nobody guesses');
      await account().getByText('Changed. Every other login has ended.').waitFor();
      await page.keyboard.press('Escape');
      await account().waitFor({ state: 'hidden' });
      // The dialog forgets a moment after it is hidden.
      await page.locator('dialog [type=password]').first().waitFor({ state: 'detached' });
      expect(await page.locator('[type=password]').count()).toBe(1);
      expect(
        (await signIn(app.url, TEST_ENV.ADMIN_EMAIL, 'a password that nobody guesses')).length,
      ).toBeGreaterThan(0);
      // What the server refused stands in the console of the browser too.
      expect(complaints.filter((words) => !words.includes('400'))).toEqual([]);
    });
  });
}
