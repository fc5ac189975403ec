import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import type { Browser, Page, Route } from 'playwright-core';
import { ServerProcess } from '../support/server-process.js';
import { TEST_ENV } from '../support/test-env.js';
import { hasChromium, launchChromium, openPage, screenshotFolder, type WatchedPage } from './chromium.js';

async function signIn(page: Page): Promise<void> {
  await page.getByLabel(/e-?mail/i).fill(TEST_ENV.ADMIN_EMAIL);
  await page.getByLabel(/password/i).fill(TEST_ENV.ADMIN_PASSWORD);
  await page.getByRole('button', { name: /sign in/i }).click();
}

if (hasChromium()) {
  describe('the console', () => {
    let server: ServerProcess;
    let browser: Browser;
    let opened: WatchedPage;

    beforeAll(async () => {
      const offline = {
        ANTHROPIC_BASE_URL: undefined,
        ANTHROPIC_API_KEY: undefined,
        APPROVAL_TOOLS: 'get_time',
      };
      server = await ServerProcess.start({ env: offline });
      browser = await launchChromium();
      opened = await openPage(await browser.newContext({ viewport: { width: 1280, height: 800 } }));
    });

    afterAll(async () => {
      await browser?.close();
      await server?.stop();
    });

    it('signs in, answers with two tools, and stops when told to', async () => {
      const { page, complaints } = opened;
      const folder = screenshotFolder('console');
      const shot = (name: string) => page.screenshot({ path: join(folder, `${name}.png`) });
      await page.goto(`${server.url}/`);
      await shot('1-sign-in');
      await signIn(page);

      const box = page.getByLabel('Message');
      await box.fill('What is 6*7, and what is 2^10?');
      await box.press('Enter');
      const first = page.getByRole('article', { name: 'Answer' }).first();
      await first.getByText('Done').waitFor();
      await shot('2-answered');
      const cards = await first.locator('details.tool summary').allInnerTexts();
      expect(cards).toHaveLength(2);
      expect(cards.join()).toMatch(/calculate/);
      expect(await first.locator('.answer').last().innerText()).toMatch(/\b42\b/);

      await box.fill('Tell me a long story about everything there is.');
      await box.press('Enter');
      await page.getByRole('button', { name: 'Stop' }).click();
      await page.getByRole('article', { name: 'Answer' }).nth(1).getByText('Stopped').waitFor();
      await shot('3-stopped');
      expect(complaints).toEqual([]);
    });

    it('shows the exact arguments of a call that waits for a person, and goes on with what that person says', async () => {
      const { page, complaints } = opened;
      const folder = screenshotFolder('console');
      const box = page.getByLabel('Message');
      const ask = async (nth: number) => {
        await box.fill('What time is it in Tokyo?');
        await box.press('Enter');
        const answer = page.getByRole('article', { name: 'Answer' }).nth(nth);
        await answer.getByRole('button', { name: 'Approve' }).waitFor();
        return answer;
      };
      const first = await ask(2);
      expect(await first.locator('details.tool').innerText()).toContain('Asia/Tokyo');
      await page.screenshot({ path: join(folder, '4-approval.png') });
      await first.getByRole('button', { name: 'Approve' }).click();
      await first.getByText('Done').waitFor();
      const second = await ask(3);
      await second.getByRole('button', { name: 'Deny' }).click();
      await second.getByText('Done').waitFor();

      expect(await first.locator('details.tool').innerText()).not.toMatch(/Denied/);
      expect(await second.locator('details.tool').innerText()).toMatch(/Denied by the user/);
      await page.screenshot({ path: join(folder, '5-decided.png') });
      expect(complaints).toEqual([]);
    });

    it('is not left for a call of the login before that is refused late', async () => {
      const { page } = await openPage(await browser.newContext());
      const heading = page.getByRole('heading', { level: 1, name: 'New conversation' });
      await page.goto(`${server.url}/`);
      await signIn(page);
      await heading.waitFor();
      const { promise: asked, resolve: hold } = Promise.withResolvers<Route>();
      await page.route('**/api/agent/sessions?*', hold, { times: 1 });
      await page.evaluate(`dispatchEvent(new Event('focus'))`);
      const late = await asked;
      await page.getByRole('button', { name: 'Account and settings' }).click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await heading.waitFor({ state: 'hidden' });
      await signIn(page);
      await heading.waitFor();

      const looked = page.waitForResponse('**/api/auth/me');
      await late.fulfill({ status: 401, json: { code: 'unauthenticated' } });
      expect((await looked).status()).toBe(200);
      await page.getByLabel('Message').fill('What is 6*7?');
      await page.getByLabel('Message').press('Enter');
      await page.getByRole('article', { name: 'Answer' }).getByText('Done').waitFor();
    });

    it('is left when nobody is signed in any more', async () => {
      const context = await browser.newContext();
      const { page } = await openPage(context);
      await page.goto(`${server.url}/`);
      await signIn(page);
      await page.getByRole('heading', { level: 1, name: 'New conversation' }).waitFor();
      await context.clearCookies();
      await page.evaluate(`dispatchEvent(new Event('focus'))`);
      await page.getByRole('button', { name: /sign in/i }).waitFor();
    });
  });
}
