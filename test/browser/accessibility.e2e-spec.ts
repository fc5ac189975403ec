import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import axe, { type RunOnly } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { Api, tokenFor } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { TEST_ENV } from '../support/test-env.js';
import { enterConsole, hasChromium, launchChromium, openPage, type WatchedPage } from './chromium.js';

/** `checks`, for the page. */
const CHECKS = readFileSync(new URL('in-page-checks.js', import.meta.url), 'utf8');

interface Figures {
  requests: number;
  bytes: number;
  firstPaintMs: number;
  layoutShift: number;
}

/** WCAG 2.2 A and AA, and what is good manners beside it. */
const RULES: RunOnly = {
  type: 'tag',
  values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
};
/** What another theme changes. */
const CONTRAST: RunOnly = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] };
const WIDTHS = [1280, 360];
const THEMES = ['light', 'dark'] as const;
/** Sixteen views, each looked at as a whole: longer than other stories. */
const LONG = 240_000;

/** All links are there, which a round by Tab has to come to. */
const isListed = (page: Page) => page.locator('#sessions a').nth(1).waitFor({ state: 'attached' });

if (hasChromium()) {
  let app: RunningApp;
  let browser: Browser;
  /** A conversation with two tools, and one whose tool waits for a person. */
  let answered: string;
  let waiting: string;

  beforeAll(async () => {
    const offline = { ANTHROPIC_BASE_URL: undefined, ANTHROPIC_API_KEY: undefined };
    app = await startApp({ ...offline, APPROVAL_TOOLS: 'get_time' });
    const api = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
    answered = await api.createSession({
      title: 'A conversation with a rather long title for a narrow page',
    });
    await api.settled((await api.post(answered, 'What is 6*7, and what is 2^10?')).id);
    await api.settled((await api.post(answered, 'And what is 1+1?')).id);
    waiting = await api.createSession({ title: 'Time' });
    await api.post(waiting, 'What time is it in Tokyo?');
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await app?.stop();
  });

  async function openAt(width: number, theme: 'light' | 'dark'): Promise<WatchedPage> {
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      colorScheme: theme,
      reducedMotion: 'reduce',
    });
    return openPage(context);
  }

  async function enter(page: Page): Promise<void> {
    await enterConsole(page, app.url);
    await isListed(page);
  }

  async function show(page: Page, sessionId: string, text: string): Promise<void> {
    await page.goto(`${app.url}/#${sessionId}`);
    await page.getByRole('article', { name: 'Answer' }).last().getByText(text).waitFor();
    await isListed(page);
  }

  const fromAccountMenu = (button: string, dialog: string) => async (page: Page) => {
    await openAccountMenu(page);
    await page.locator(`#${button}`).click();
    await dialogOf(page, dialog);
  };

  const fromSessionMenu = (button: string, dialog: string) => async (page: Page) => {
    await page.locator('#open-session-menu').click();
    await page.locator('#session-menu').getByRole('button', { name: button }).click();
    await dialogOf(page, dialog);
  };

  /** What is looked at, in order; each begins with the answered conversation in view. */
  const VIEWS: Record<string, (page: Page) => Promise<void>> = {
    'the empty console': async (page) => {
      await page.goto(app.url);
      await page.getByText('What shall we work on?').waitFor();
      await isListed(page);
    },
    'a call that waits for a person': async (page) => {
      await show(page, waiting, 'needs approval');
      await page.locator('.decision button:not([aria-disabled])').first().waitFor();
    },
    'a conversation with tools': async (page) => {
      for (const summary of await page.locator('summary').all())
        if (await summary.isVisible()) await summary.click();
    },
    'the timeline of the wire': async (page) => {
      await page.locator('#open-wire').click();
      await page.locator('#wire-rows li').last().waitFor();
    },
    'the list of conversations': async (page) => {
      if (await page.locator('#menu').isVisible()) await page.locator('#menu').click();
      await page.locator('#search').fill('nothing has this title');
      await page.getByText('No title has these words.').waitFor();
    },
    'the menu of a conversation': async (page) => page.locator('#open-session-menu').click(),
    'the menu of the account': openAccountMenu,
    'the account': async (page) => {
      await fromAccountMenu('open-account', 'account-dialog')(page);
      await page.locator('#logins li').first().waitFor();
    },
    'the API keys': async (page) => {
      await fromAccountMenu('open-keys', 'keys-dialog')(page);
      await page.locator('#key-form [name=name]').fill('a key');
      await page.getByRole('button', { name: 'Make a key' }).click();
      await page.locator('#keys-list li').first().waitFor();
    },
    'the keyboard shortcuts': fromAccountMenu('open-shortcuts', 'shortcuts-dialog'),
    'the question before something is deleted': fromSessionMenu('Delete', 'delete-dialog'),
    'the field for another title': fromSessionMenu('Rename', 'rename-dialog'),
    'whom a conversation is shown to': async (page) => {
      if (await page.locator('#open-share').isVisible()) await page.locator('#open-share').click();
      else await fromSessionMenu('Sh', 'share-dialog')(page);
      await page.locator('#share-with').fill('usr_somebody_with_an_id_of_a_certain_length');
      await page.getByRole('button', { name: 'Add' }).click();
      await page.locator('#share-list li').first().waitFor();
    },
  };

  describe.each(THEMES)('the console in its %s colours', (theme) => {
    it.each(WIDTHS)(
      'can be used by everybody on a page of %i pixels',
      async (width) => {
        const { page, complaints } = await openAt(width, theme);
        const found: Record<string, string[]> = {};
        const note = async (view: string) => {
          const faults = await faultsOf(page, theme);
          const beyond = theme === 'light' ? await notByTab(page) : [];
          found[view] = [...faults, ...beyond.map((name) => `${name} is not reached by Tab`)];
        };
        await page.goto(app.url);
        await page.locator('#email').waitFor();
        await note('the page of who is not signed in');
        await enter(page);
        for (const [view, open] of Object.entries(VIEWS)) {
          await page.goto('about:blank');
          await show(page, answered, 'Done');
          await open(page);
          await note(view);
        }
        expect(found).toEqual(Object.fromEntries(Object.keys(found).map((view) => [view, []])));
        expect(Object.keys(found)).toHaveLength(1 + Object.keys(VIEWS).length);
        expect(complaints).toEqual([]);
        await page.context().close();
      },
      LONG,
    );
  });

  describe('the console while it loads', () => {
    it('is small, soon there, and does not jump about', async () => {
      const { page } = await openAt(1280, 'light');
      await enter(page);
      await page.goto('about:blank');
      await show(page, answered, 'Done');
      await page.evaluate(CHECKS);
      const figures = await page.evaluate<Figures>('checks.loadFigures()');
      process.stdout.write(`the console: ${JSON.stringify(figures)}\n`);
      expect(figures.requests).toBeLessThan(120);
      expect(figures.bytes).toBeLessThan(1_000_000);
      expect(figures.firstPaintMs).toBeGreaterThan(0);
      expect(figures.firstPaintMs).toBeLessThan(10_000);
      expect(figures.layoutShift).toBeLessThan(0.1);
      await page.context().close();
    });
  });
}

function dialogOf(page: Page, id: string): Promise<void> {
  return page.locator(`#${id}[open]`).waitFor();
}

/** On a narrow page the list has to be opened first. */
async function openAccountMenu(page: Page): Promise<void> {
  if (await page.locator('#menu').isVisible()) await page.locator('#menu').click();
  await page.locator('#open-account-menu').click();
  await page.locator('#account-menu').waitFor();
}

/** Every rule of axe that says something is wrong, and what of the own checks does. */
async function faultsOf(page: Page, theme: string): Promise<string[]> {
  await page.evaluate(axe.source);
  await page.evaluate(CHECKS);
  const runOnly = theme === 'light' ? RULES : CONTRAST;
  const violations = await page.evaluate(async (only) => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run({ runOnly: only, resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    );
  }, runOnly);
  return [...violations, ...(await page.evaluate<string[]>('checks.inspectControls()'))];
}

/** Goes round all that can have the focus, again where a list was drawn anew meanwhile, until all have had it. */
async function notByTab(page: Page): Promise<string[]> {
  const count = await page.evaluate<number>('checks.noteFocus()');
  // Boxes that scroll are stops too, and after the last there is the browser itself.
  for (let press = 0; press < 4 * count + 20; press += 1) {
    await page.keyboard.press('Tab');
    if (press >= count && (await page.evaluate<string[]>('checks.unreached()')).length === 0) return [];
  }
  return page.evaluate<string[]>('checks.unreached()');
}
