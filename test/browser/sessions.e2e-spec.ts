import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { Api, expectStatus, tokenFor } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { TEST_ENV } from '../support/test-env.js';
import { hasChromium, launchChromium, openPage } from './chromium.js';

const BOB = { email: 'bob@example.com', password: 'a long password of Bob’s own' };
const OFFLINE = { ANTHROPIC_BASE_URL: undefined, ANTHROPIC_API_KEY: undefined };

if (hasChromium()) {
  let app: RunningApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  let admin: Api;

  beforeAll(async () => {
    app = await startApp(OFFLINE);
    admin = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
    expectStatus(await admin.call('POST', '/api/admin/users', BOB), 201);
    browser = await launchChromium();
    ({ page, complaints } = await openPage(await browser.newContext()));
    await signIn(page, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD);
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
  });

  async function signIn(on: Page, email: string, password: string): Promise<void> {
    await on.goto(app.url);
    await on.getByLabel(/e-?mail/i).fill(email);
    await on.getByLabel(/password/i).fill(password);
    await on.getByRole('button', { name: 'Sign in' }).click();
    await on.getByRole('button', { name: 'New conversation' }).waitFor();
  }

  const links = (on = page) => on.locator('#sessions a');
  const link = (title: string, on = page) => links(on).filter({ hasText: title });
  const heading = (title: string, on = page) => on.getByRole('heading', { level: 1, name: title });
  /** The page looks at the list anew when somebody comes back to it. */
  const comeBack = (on = page) => on.evaluate(`dispatchEvent(new Event('focus'))`);

  const openShares = async () => {
    await page.locator('#open-share').click();
    await shareDialog().waitFor();
  };
  const shareDialog = () => page.getByRole('dialog', { name: 'Share this conversation' });

  async function choose(entry: string): Promise<void> {
    await page.getByRole('button', { name: 'More about this conversation' }).click();
    await page.locator('#session-menu').getByRole('button', { name: entry }).click();
  }

  async function open(title: string): Promise<string> {
    const id = await admin.createSession({ title });
    await comeBack();
    await link(title).click();
    await heading(title).waitFor();
    return id;
  }

  describe('the list of conversations', () => {
    it('shows what another tab has begun, once one comes back', async () => {
      await page.getByText('Nothing yet.').waitFor();
      await admin.createSession({ title: 'Trip to Lisbon' });
      await admin.createSession({ title: '100 % <b>sure</b>' });
      await comeBack();
      await link('Trip to Lisbon').waitFor();
      expect(await links().locator('bdi').allTextContents()).toEqual(['100 % <b>sure</b>', 'Trip to Lisbon']);
    });

    it('finds titles, takes signs as they are, and forgets what was searched for with Escape', async () => {
      const search = page.getByRole('searchbox', { name: 'Search titles' });
      await search.fill('LISBON');
      await link('sure').waitFor({ state: 'detached' });
      expect(await links().count()).toBe(1);
      await search.fill('%');
      await link('sure').waitFor();
      expect(await links().count()).toBe(1);
      await search.fill('_');
      await page.getByText('No title has these words.').waitFor();
      await search.press('Escape');
      await link('Lisbon').waitFor();
      expect(await search.inputValue()).toBe('');
      expect(await links().count()).toBe(2);
    });

    it('is read on page by page', async () => {
      for (let count = 0; count < 31; count += 1) await admin.createSession({ title: `Many ${count}` });
      await comeBack();
      await page.getByRole('button', { name: 'Show older' }).click();
      await link('Trip to Lisbon').waitFor();
      expect(await links().count()).toBe(33);
      await comeBack();
      await page.getByRole('button', { name: 'Show older' }).waitFor({ state: 'hidden' });
      expect(await links().count()).toBe(33);
    });
  });

  describe('a conversation of one’s own', () => {
    it('gets another title', async () => {
      await open('First title');
      await choose('Rename');
      const title = page.getByRole('dialog', { name: 'Rename' }).getByLabel('Title');
      expect(await title.inputValue()).toBe('First title');
      await title.fill('  Second title ');
      await title.press('Enter');
      await heading('Second title').waitFor();
      await link('Second title').waitFor();
      expect(await page.title()).toBe('Second title – Agentline');
      expect(await page.locator('#open-session-menu').evaluate(isFocused)).toBe(true);
    });

    it('is copied as a whole, and the copy goes on by itself', async () => {
      const first = await open('To be copied');
      await page.getByLabel('Message').fill('What is 6*7?');
      await page.getByLabel('Message').press('Enter');
      await page.getByRole('article', { name: 'Answer' }).getByText('Done').waitFor();
      await choose('Fork');
      await page.waitForURL((url) => url.hash !== `#${first}`);
      await page.getByRole('article', { name: 'Answer' }).getByText('From another conversation').waitFor();
      await link('To be copied').nth(1).waitFor();
      expect(await link('To be copied').first().getAttribute('aria-current')).toBe('page');
    });

    it('is deleted after a question, and kept when that is answered with no', async () => {
      const id = await open('To be deleted');
      await choose('Delete');
      const dialog = page.getByRole('dialog', { name: 'Delete this conversation?' });
      expect(await dialog.textContent()).toContain('To be deleted');
      await dialog.getByRole('button', { name: 'Keep it' }).click();
      await dialog.waitFor({ state: 'hidden' });
      expect((await admin.call('GET', `/api/agent/sessions/${id}`)).status).toBe(200);
      await choose('Delete');
      await dialog.getByRole('button', { name: 'Delete' }).click();
      await link('To be deleted').waitFor({ state: 'detached' });
      await heading('New conversation').waitFor();
      expect(new URL(page.url()).hash).toBe('');
      expect((await admin.call('GET', `/api/agent/sessions/${id}`)).status).toBe(404);
    });
  });

  describe('a conversation that is shown to others', () => {
    let bob: Page;
    let bobsComplaints: string[];
    let shared: string;

    beforeAll(async () => {
      ({ page: bob, complaints: bobsComplaints } = await openPage(await browser.newContext()));
      await signIn(bob, BOB.email, BOB.password);
      shared = await open('For everybody’s eyes');
    });

    it('is shown to a user whom an administrator names by address, and says so in the bar', async () => {
      await openShares();
      await shareDialog().getByText('Shown to nobody.').waitFor();
      await shareDialog().getByLabel('Somebody of your tenant').fill('nobody@example.com');
      await shareDialog().getByRole('button', { name: 'Add' }).click();
      await shareDialog().getByText('There is no user with this address').waitFor();
      await shareDialog().getByLabel('Somebody of your tenant').fill(BOB.email.toUpperCase());
      await shareDialog().getByRole('button', { name: 'Add' }).click();
      await shareDialog().getByText('Shown to 1 person.').waitFor();
      expect(await shareDialog().locator('li bdi').allTextContents()).toEqual([BOB.email]);
      await page.keyboard.press('Escape');
      expect(await page.locator('#open-share').textContent()).toBe('Shown to 1 person');
    });

    it('is in the watcher’s other list with the name of whose it is, without a field to write in', async () => {
      await bob.getByRole('button', { name: 'Shown to you' }).click();
      await link('For everybody’s eyes', bob).click();
      await bob.getByText(`Shown to you by ${TEST_ENV.ADMIN_EMAIL}: you can watch, not write.`).waitFor();
      expect(await link('For everybody’s eyes', bob).textContent()).toContain(TEST_ENV.ADMIN_EMAIL);
      expect(await bob.getByLabel('Message').isVisible()).toBe(false);
      expect(await bob.getByRole('button', { name: 'More about this conversation' }).count()).toBe(0);
      await bob.getByRole('button', { name: 'Yours' }).click();
      await bob.getByText('Nothing yet.').waitFor();
    });

    it('is shown to all of the tenant, or to nobody any more', async () => {
      await openShares();
      await shareDialog().getByRole('checkbox').check();
      await shareDialog().getByText('Shown to everybody.').waitFor();
      expect((await admin.call('GET', `/api/agent/sessions/${shared}/shares`)).body).toEqual({
        with: 'tenant',
      });
      await shareDialog().getByRole('checkbox').uncheck();
      await shareDialog().getByText('Shown to nobody.').waitFor();
      await page.keyboard.press('Escape');
      expect(await page.locator('#open-share').textContent()).toBe('Share');
      await bob.getByRole('button', { name: 'Shown to you' }).click();
      await bob.getByText('Nobody shows you a conversation yet.').waitFor();
    });

    it('is named by ids where addresses cannot be looked up', async () => {
      await bob.getByRole('button', { name: 'New conversation' }).click();
      await bob.getByLabel('Message').fill('Hello');
      await bob.getByLabel('Message').press('Enter');
      await bob.locator('#open-share').click();
      const own = bob.getByRole('dialog', { name: 'Share this conversation' });
      await own.getByLabel('Somebody of your tenant').fill(TEST_ENV.ADMIN_EMAIL);
      await own.getByRole('button', { name: 'Add' }).click();
      await own.getByText('Only administrators can look up an address.').waitFor();
      await own.getByLabel('Somebody of your tenant').fill('usr_somebody');
      await own.getByRole('button', { name: 'Add' }).click();
      await own.getByRole('button', { name: 'Remove usr_somebody' }).click();
      await own.getByText('Shown to nobody.').waitFor();
    });

    it('has no complaint of a browser in all this', () => {
      expect([...complaints, ...bobsComplaints]).toEqual([]);
    });
  });
}

/** Runs in the page. */
function isFocused(node: unknown): boolean {
  const { ownerDocument } = node as { ownerDocument: { activeElement: unknown } };
  return ownerDocument.activeElement === node;
}
