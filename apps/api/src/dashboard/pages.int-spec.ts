import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Config } from '@tributary/runtime';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { ApiUnderTest } from '../testing/api-under-test.js';

const executablePath = process.env.CHROMIUM_PATH ?? new Config().chromiumPath;
const there = existsSync(executablePath);
if (!there) process.stdout.write(`skipped: no Chromium (${executablePath}, or CHROMIUM_PATH)\n`);
const withChromium = there ? describe : describe.skip;

withChromium('the pages in a browser', () => {
  let browser: Browser;
  let api: ApiUnderTest;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, chromiumSandbox: false });
    api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
  });
  afterAll(async () => {
    await browser.close();
    await api.stop();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    complaints = [];
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (entry) => {
      if (/Content Security Policy|Refused to/.test(entry.text())) complaints.push(entry.text());
    });
  });
  afterEach(() => context.close());

  const shown = (selector: string) => page.waitForSelector(selector, { state: 'visible', timeout: 20_000 });

  it('the description of the API is drawn, searched and tried under its policy', async () => {
    await page.goto(`${api.url}/docs`);
    await shown('.opblock-summary-path');
    await page.click('.btn.authorize');
    await page.fill('.auth-container input', api.adminKey);
    await page.click('.auth-btn-wrapper .authorize');
    await page.click('.auth-btn-wrapper .btn-done');
    await page.click('.opblock-get:has([data-path="/v1/creators"]) .opblock-summary-control');
    await page.click('.try-out__btn');
    await page.click('.execute.opblock-control__btn');
    await shown('.live-responses-table tbody .response-col_status');
    expect(await page.textContent('.live-responses-table tbody .response-col_status')).toContain('200');
    expect(complaints).toEqual([]);
  });

  it('a link with another key takes the place of the key of a signed-in tab only after a yes', async () => {
    const [own, other] = [await api.key('read'), await api.key('read')];
    const stored = () => page.evaluate<string | null>("sessionStorage.getItem('tributary-key')");
    await page.goto(`${api.url}/#key=${own}`);
    await shown('#dashboard');
    expect(await stored()).toBe(own);
    // As a page of somebody else would: by the address alone, without a load.
    await page.evaluate(`location.hash = 'key=${other}'`);
    await shown('#confirm');
    expect(new URL(page.url()).hash).toBe('');
    await page.click('#confirm-no');
    expect(await stored()).toBe(own);
    // And by a load in the same tab.
    await page.goto('about:blank');
    await page.goto(`${api.url}/#key=${other}`);
    await shown('#confirm');
    await page.keyboard.press('Escape');
    await shown('#dashboard');
    expect(await stored()).toBe(own);
    await page.evaluate(`location.hash = 'key=${other}'`);
    await shown('#confirm');
    await Promise.all([page.waitForEvent('load'), page.click('#confirm-yes')]);
    await shown('#dashboard');
    expect(await stored()).toBe(other);
    expect(complaints).toEqual([]);
  });

  it('a link without a key leaves a tab that is not signed in at its form', async () => {
    await page.goto(`${api.url}/`);
    await shown('#signin');
    await page.evaluate("window.untouched = true; location.hash = 'key='");
    await page.waitForFunction("location.hash === ''");
    await page.evaluate('new Promise((resolve) => setTimeout(resolve))');
    expect(await page.evaluate("[window.untouched, sessionStorage.getItem('tributary-key')]")).toEqual([true, null]);
    expect(await page.textContent('#signin-error')).toBe('');
    expect(complaints).toEqual([]);
  });
});
