import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { chromium } from 'playwright-core';
import { buildIfOld } from './demo/build-if-old.mjs';
import { DemoServer } from './demo/demo-server.mjs';

/** `npm run screenshots`: pictures of the console for the documents, of a server of its own and its offline model. */
const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'docs', 'screenshots');
const EXECUTABLE = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const MOST_BYTES = 150_000;

class PhotographedServer extends DemoServer {
  email = 'ada@example.com';

  environment() {
    const offline = { ANTHROPIC_API_KEY: undefined, ANTHROPIC_BASE_URL: undefined, MODEL: undefined };
    return { ...super.environment(), ...offline, APPROVAL_TOOLS: 'get_time' };
  }
}

/** Conversations that fill the list, oldest first. */
const EARLIER = [
  'Notes for the quarterly report',
  'Why is the nightly build slow?',
  'Plan of the trip to Lisbon',
];

const QUESTION = 'What is 6*7, and what is 2^10?';
const TO_DECIDE = 'What time is it in Tokyo?';

await buildIfOld(ROOT);
mkdirSync(FOLDER, { recursive: true });
const server = new PhotographedServer(ROOT);
try {
  await server.start();
  await photograph(server);
} finally {
  await server.stop();
}

async function photograph({ url, email, password }) {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    const page = await browser.newPage({ viewport: WIDE, colorScheme: 'light', reducedMotion: 'reduce' });
    await page.goto(url);
    await page.locator('#email').waitFor();
    await shoot(page, 'sign-in');
    await page.locator('#email').fill(email);
    await page.locator('#password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('What shall we work on?').waitFor();
    await page.evaluate(begin, EARLIER);
    await ask(page, QUESTION, 'Done');
    await page.locator('details.tool summary').first().click();
    await shoot(page, 'conversation');
    await page.locator('#open-wire').click();
    await page.locator('#wire-rows li').last().waitFor();
    await shoot(page, 'timeline');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shoot(page, 'dark');
    await page.locator('#close-wire').click();
    await page.emulateMedia({ colorScheme: 'light' });
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('article').first().waitFor({ state: 'detached' });
    await ask(page, TO_DECIDE, 'needs approval');
    await page.locator('.decision button:not([aria-disabled])').first().waitFor();
    await shoot(page, 'approval');
    await page.setViewportSize(PHONE);
    await shoot(page, 'phone');
  } finally {
    await browser.close();
  }
}

/** Runs in the page, as whoever is signed in there. */
async function begin(titles) {
  const headers = { 'content-type': 'application/json' };
  for (const title of titles) {
    const body = JSON.stringify({ title });
    const { ok, status } = await fetch('/api/agent/sessions', { method: 'POST', headers, body });
    if (!ok) throw new Error(`a conversation was answered with ${status}`);
  }
}

async function ask(page, text, ending) {
  await page.getByLabel('Message').fill(text);
  await page.getByLabel('Message').press('Enter');
  await page.locator('.said', { hasText: text }).waitFor();
  await page.getByRole('article', { name: 'Answer' }).last().getByText(ending).first().waitFor();
}

/** No caret, no focus that somebody's mouse has not set: pictures of the same page are alike. */
async function shoot(page, name) {
  const path = join(FOLDER, `${name}.png`);
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement?.blur());
  await page.screenshot({ path, animations: 'disabled' });
  const { size } = statSync(path);
  if (size > MOST_BYTES) throw new Error(`${name}.png has ${size} bytes, and ${MOST_BYTES} are enough`);
  process.stdout.write(`docs/screenshots/${name}.png ${size} bytes\n`);
}
