import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Config } from '@tributary/runtime';
import { startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { ApiUnderTest, draft } from '../testing/api-under-test.js';

const executablePath = process.env.CHROMIUM_PATH ?? new Config().chromiumPath;
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title = 2</script>';

const there = existsSync(executablePath);
if (!there) process.stdout.write(`skipped: no Chromium (${executablePath}, or CHROMIUM_PATH)\n`);
const withChromium = there ? describe : describe.skip;

withChromium('webhooks in the dashboard', () => {
  let browser: Browser;
  let receiver: WebhookReceiver;
  let api: ApiUnderTest;
  let off: ApiUnderTest;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    const webhookSecretKey = randomBytes(32).toString('base64');
    browser = await chromium.launch({ executablePath, chromiumSandbox: false });
    receiver = await startWebhookReceiver();
    api = await ApiUnderTest.start({ config: { webhookSecretKey, webhookAllowCidrs: ['127.0.0.0/8'] } });
    off = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
  });
  afterAll(async () => {
    await browser.close();
    await api.stop();
    await off.stop();
    await receiver.close();
  });
  beforeEach(async () => {
    page = await browser.newPage();
    complaints = [];
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (entry) => {
      if (/Content Security Policy|Refused to/.test(entry.text())) complaints.push(entry.text());
    });
  });
  afterEach(async () => {
    await page.close();
    if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join('; ')}`);
  });
  /** A link into the page; the key of a link is taken out of the address. */
  const visit = (to: ApiUnderTest, view: string, key = to.adminKey) => page.goto(`${to.url}/#${view}&key=${key}`);
  const shown = (selector: string) => page.waitForSelector(selector, { state: 'visible', timeout: 30_000 });

  it('adds an endpoint, shows its secret once, and each delivery with its attempts as they come', async () => {
    await visit(api, 'webhooks');
    await page.click('#hook-add-first');
    expect(new URL(page.url()).hash).toBe('#webhooks');

    await page.fill('#hook-url', 'ftp://somewhere');
    await page.click('.hook-form [type=submit]');
    await shown('#hook-url[aria-invalid=true]');
    expect(await page.textContent('#hook-url-error')).toContain('https://');

    await page.fill('#hook-url', receiver.url('/page'));
    await page.fill('#hook-types', 'tiktok.live.chat');
    await page.press('#hook-types', 'Enter');
    await page.click('.hook-form [type=submit]');
    const secret = (await (await shown('.secret')).textContent())!;
    expect(secret).toMatch(/^whsec_/);
    // Esc does not lose what was not copied.
    await page.keyboard.press('Escape');
    expect(await page.isVisible('.secret')).toBe(true);
    await page.click('button:has-text("Send a test event")');
    await shown('.test-result[data-tone=good]');
    await page.click('button:has-text("Open the endpoint")');
    await shown('.hook-title');
    expect(await page.content()).not.toContain(secret);

    receiver.answer(() => ({ status: 500, headers: { 'content-type': 'text/html' }, body: HOSTILE }));
    await api.commit([draft({ receivedAt: Date.now() })]);
    await page.click('.delivery-head:has-text("chat of @tester"):has-text("error status (500)")');
    expect(await (await shown('.attempt')).textContent()).toMatch(/^500/);
    expect(await page.textContent('.attempt pre >> nth=0')).toContain('webhook-signature: v1,');
    expect(await page.textContent('.attempt pre >> nth=1')).toContain(HOSTILE);
    expect(await page.locator('#hook-page img, #hook-page script').count()).toBe(0);

    receiver.answer(() => undefined);
    await page.click('button:has-text("Try now")');
    await shown('.delivery:has-text("2 attempts") .attempt[data-tone=good]');
    expect(await page.locator('.delivery-body:visible').count()).toBe(1);
    await api.commit([draft({ receivedAt: Date.now() })]);
    await page.click('button:has-text("1 newer: show")');
    await waitFor(async () => (await page.locator('.delivery').count()) === 3, { what: 'the new delivery in the list' });
  });

  it('pauses, says what waits, resumes, and goes back to the list by its address', async () => {
    const { body } = await api.call<{ id: string }>('POST', '/v1/webhooks', { body: { url: receiver.url('/pause') } });
    await visit(api, `webhooks/${body.id}`);
    await page.click('.actions button:has-text("Pause")');
    await shown('.hook-name .state[data-state=paused]');
    await api.commit([draft({ receivedAt: Date.now() }), draft({ receivedAt: Date.now() })]);
    await shown('.notice:has-text("2 matching events wait")');
    await page.click('.actions button:text-is("Resume")');
    await shown('.hook-name .state[data-state=enabled]');
    await waitFor(() => receiver.of('/pause').length === 2, { what: 'the backlog' });
    await page.click('.back');
    await shown(`.hook-link[href="#webhooks/${body.id}"]`);
  });

  it('shows one last failure in the list and on the page, and counts the matching events that wait', async () => {
    receiver.answer(() => ({ status: 503 }));
    const settings = { url: receiver.url('/failure'), types: ['tiktok.live.gift'] };
    const { body } = await api.call<{ id: string }>('POST', '/v1/webhooks', { body: settings });
    const gift = () => draft({ receivedAt: Date.now(), type: 'tiktok.live.gift', handle: 'luna' });
    await api.commit([gift()]);
    const health = async () =>
      (await api.call<{ health: { lastFailure: object | null } }>('GET', `/v1/webhooks/${body.id}`)).body.health.lastFailure;
    await waitFor(health, { what: 'the failure' });
    await api.call('POST', `/v1/webhooks/${body.id}/pause`);
    await api.commit([draft({ receivedAt: Date.now() }), gift(), gift()]);
    await visit(api, 'webhooks');
    const row = `.hook:has(a[href="#webhooks/${body.id}"])`;
    await shown(`${row}:has-text("ago: error status (503)"):has-text("2 events")`);
    await page.click(`a[href="#webhooks/${body.id}"]`);
    await shown('#hook-page :text("ago: error status (503)")');
    await shown('#hook-page :text("2 events,")');
    await shown('.delivery:has-text("gift of @luna")');
  });

  it('takes the answer to a retry also when the list shows something else by then, and says what was refused', async () => {
    receiver.answer(() => ({ status: 500 }));
    const { body } = await api.call<{ id: string }>('POST', '/v1/webhooks', { body: { url: receiver.url('/late') } });
    await api.commit([draft({ receivedAt: Date.now() })]);
    await visit(api, `webhooks/${body.id}`);
    await page.click('.delivery-head:has-text("error status (500)")');
    let answer = () => {};
    const asked = new Promise<void>((resolve) => {
      void page.route('**/deliveries/*/retry', async (route) => {
        resolve();
        await new Promise<void>((go) => (answer = go));
        await route.continue();
      });
    });
    await page.click('button:has-text("Try now")');
    await asked;
    await page.click('.chip:has-text("Delivered")');
    await shown('.empty:has-text("None of them.")');
    answer();
    await shown('.toast:has-text("It is tried again.")');

    await page.route('**/pause', (route) => route.fulfill({ status: 403, json: { detail: 'this key is limited to other creators' } }));
    await page.click('.actions button:has-text("Pause")');
    await shown('.toast:has-text("this key is limited to other creators")');
    receiver.answer(() => undefined);
  });

  it('does not take a secret for copied that could not be copied', async () => {
    const { body } = await api.call<{ id: string }>('POST', '/v1/webhooks', { body: { url: receiver.url('/rotated') } });
    await page.addInitScript("document.execCommand = () => false; navigator.clipboard.writeText = () => Promise.reject(new Error('no'))");
    await visit(api, `webhooks/${body.id}`);
    await page.click('.actions button:has-text("Rotate secret")');
    await page.click('button:has-text("Make a new secret")');
    await shown('.secret');
    await page.click('.secret-line button');
    await shown('.secret-line button:has-text("Select and copy it")');
    await page.keyboard.press('Escape');
    await shown('.field-error:has-text("Copy the secret first")');
    expect(await page.isVisible('.secret')).toBe(true);
    await page.click('button:has-text("Done, it is stored")');
    expect(await page.isVisible('.secret')).toBe(false);
  });

  it('says so where the key may not see webhooks, and where there are none', async () => {
    await visit(api, 'webhooks', await api.key('read'));
    await shown('#hooks-refused');
    expect(await page.isVisible('#hook-add')).toBe(false);
    await visit(off, 'webhooks');
    await shown('#hooks-off');
    expect(await page.isVisible('#hook-add')).toBe(false);
  });
});
