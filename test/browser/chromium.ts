import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { TEST_ENV } from '../support/test-env.js';

const EXECUTABLE = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/**
 * Whether there is a browser to test with. Without one it says how to get it; in CI that is a failure, because
 * there a story that is not run must not look like one that passed.
 */
export function hasChromium(): boolean {
  if (existsSync(EXECUTABLE)) return true;
  const advice = `no browser at ${EXECUTABLE}: apt-get install chromium, or set CHROMIUM_PATH`;
  if (process.env['CI']) throw new Error(advice);
  process.stdout.write(`${advice}; these stories are left out\n`);
  return false;
}

export async function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox', '--disable-gpu'] });
}

/** A page with everything it complained about. */
export interface WatchedPage {
  page: Page;
  complaints: string[];
}

export async function openPage(context: BrowserContext): Promise<WatchedPage> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, complaints };
}

/** Signs the page's browser in by password; the page must be on the server's origin. */
export async function signInPage(page: Page): Promise<void> {
  const body = JSON.stringify({ email: TEST_ENV.ADMIN_EMAIL, password: TEST_ENV.ADMIN_PASSWORD });
  const status = await page.evaluate(async (json) => {
    const headers = { 'content-type': 'application/json' };
    return (await fetch('/api/auth/login', { method: 'POST', headers, body: json })).status;
  }, body);
  if (status !== 200) throw new Error(`signing in was answered with ${status}`);
}

/** Opens the console as somebody who has signed in before. */
export async function enterConsole(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await signInPage(page);
  await page.evaluate(() => localStorage.setItem('agentline-signed-in', 'true'));
  await page.goto(url);
}

/** Calls a route as the page's own script would. */
export async function postFromPage<T>(page: Page, path: string, body: unknown): Promise<T> {
  return page.evaluate(
    async ([url, json]) => {
      const headers = { 'content-type': 'application/json' };
      return (await fetch(url!, { method: 'POST', headers, body: json! })).json() as Promise<T>;
    },
    [path, JSON.stringify(body)],
  );
}

/** What the page has copied; its context needs the permission `clipboard-read`. */
export async function copiedText(page: Page): Promise<string> {
  return page.evaluate(() => {
    const { clipboard } = navigator as unknown as { clipboard: { readText(): Promise<string> } };
    return clipboard.readText();
  });
}

/** A place for screenshots, told on the terminal. */
export function screenshotFolder(story: string): string {
  const folder = mkdtempSync(join(tmpdir(), `agentline-${story}-`));
  process.stdout.write(`screenshots: ${folder}\n`);
  return folder;
}
