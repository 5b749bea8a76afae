import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpSigner, useLocalSigner } from '@tributary/signing';
import { connectorOptions, Simulator, waitFor } from '@tributary/testing';
import { type EventEmitter, setMaxListeners } from 'node:events';
import { TikTokLiveConnection } from 'tiktok-live-connector';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { BrowserHost } from '../browser/browser-host.js';
import { TabPool } from '../browser/tab-pool.js';
import type { Identity } from '../browser/visit.js';
import { findChromium, testBrowser } from '../testing/chromium.js';
import { memoryCache } from '../testing/memory-cache.js';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';

const NAME = 'luna.bakes';
const AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36';
const never = new AbortController().signal;
setMaxListeners(100, never);
const chromium = findChromium();
const Connection = TikTokLiveConnection as unknown as new (name: string, options: object) => TikTokLiveConnection & EventEmitter;

if (chromium === undefined) {
  describe('page and page-sign with Chromium', () => {
    it.skip('skipped: no Chromium', () => undefined);
  });
} else {
  describe.each(['page', 'page-sign'])('provider %s with Chromium, against a TikTok that trusts its own page only', (provider) => {
    let simulator: Simulator;
    let signer: RunningSigner;
    let client: HttpSigner;

    beforeAll(async () => {
      const rooms = [NAME, ...Array.from({ length: 8 }, (_, i) => `creator${i}`)].map((uniqueId) => ({ uniqueId, rate: 20 }));
      simulator = await new Simulator({ rooms, pageOnly: true }).start();
      const settings = { chromiumPath: chromium, chromiumSandbox: false, signTabsMax: 3, signShareMs: 0, signRoomCacheMs: 0 };
      const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url, tiktokSocketUrl: simulator.socketUrl };
      signer = await startSigner({ ...settings, ...tiktok, signProviders: [provider], signBudgetMs: 20_000, signTimeoutMs: 15_000 });
      client = new HttpSigner({ url: signer.url, timeoutMs: 20_000 });
    });
    afterAll(async () => {
      await signer.stop();
      await simulator.stop();
    });
    const roomId = (name = NAME) => simulator.room(name)?.roomId ?? '';
    const bundle = (name = NAME, userAgent?: string) => client.fetchBundle({ roomId: roomId(name), userAgent }, never);
    it('gives a bundle where every other way is refused, with user agent, browser parameters and cookies that agree', async () => {
      const result = await bundle(NAME, AGENT);
      if (!result.ok) throw new Error(result.message);
      expect(result.bundle).toMatchObject({ provider, userAgent: AGENT, roomId: roomId(), cookies: expect.stringMatching(/^ttwid=/) });
      expect(ProtoMessageFetchResult.decode(result.bundle.fetchResult).messages.length).toBeGreaterThan(0);
      // The server compares the three, and refused nothing.
      expect(simulator.stats().refused).toEqual({});
    });

    it('lets the unmodified client connect and receive', async () => {
      const restore = useLocalSigner(signer.url);
      const connection = new Connection(NAME, { ...connectorOptions(simulator.url), processInitialData: false });
      try {
        const chats: unknown[] = [];
        connection.on('chat', (chat) => chats.push(chat));
        expect((await connection.connect()).roomId).toBe(roomId());
        await waitFor(() => chats.length > 0);
      } finally {
        await connection.disconnect();
        restore();
      }
    });

    it('keeps to its tabs however many rooms are asked for at once', async () => {
      const pool = signer.app.get(TabPool);
      let most = 0;
      const watch = setInterval(() => (most = Math.max(most, pool.size.open)), 1);
      const results = await Promise.all(Array.from({ length: 8 }, (_, i) => bundle(`creator${i}`)));
      clearInterval(watch);
      expect(results.map((result) => (result.ok ? 'ok' : result.message))).toEqual(Array.from({ length: 8 }, () => 'ok'));
      expect(most).toBe(3);
      expect(pool.size).toMatchObject({ busy: 0, waiting: 0 });
      expect(await (await fetch(`${signer.url}/metrics`)).text()).toMatch(/sign_browser_tabs\{state="busy",process="signer"\} 0/);
    });

    it('uses a warm tab again, and the same visitor', async () => {
      const [first, second] = [await bundle(), await bundle()];
      expect(first.ok && second.ok && first.bundle.cookies === second.bundle.cookies).toBe(true);
    });

    it('answers again after its browser was killed with -9, as the same visitor', async () => {
      const before = await bundle();
      const pids = await browserPids(signer);
      expect(pids.length).toBeGreaterThan(0);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      const after = await bundle();
      expect([before, after].map((result) => (result.ok ? 'ok' : result.message))).toEqual(['ok', 'ok']);
      expect(before.ok && after.ok && before.bundle.cookies === after.bundle.cookies).toBe(true);
      expect(signer.logged.some(({ message }) => message.includes('Chromium has ended'))).toBe(true);
    });

    it('answers a request whose browser is killed under it', async () => {
      const running = Array.from({ length: 4 }, (_, i) => bundle(`creator${i}`));
      const pids = await browserPids(signer);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      expect((await Promise.all(running)).map((result) => (result.ok ? 'ok' : result.message))).toEqual(['ok', 'ok', 'ok', 'ok']);
    });

    it('says that a creator is offline, and keeps session cookies out of every other request', async () => {
      const mine = await client.fetchBundle({ roomId: roomId(), cookies: 'sessionid=hidden-session' }, never);
      expect(mine.ok && mine.bundle.cookies).toMatch(/hidden-session/);
      const theirs = await bundle();
      expect(theirs.ok && theirs.bundle.cookies).not.toMatch(/hidden-session/);
      const room = simulator.room('creator7');
      if (room) simulator.goOffline(room, false);
      expect(await bundle('creator7')).toMatchObject({ ok: false, reason: 'offline' });
      expect(JSON.stringify(signer.logged)).not.toMatch(/hidden-session/);
    });
  });

  describe('what the page is needed for', () => {
    it('nothing else is let in: signatures from outside, unsigned requests, anonymous sockets', async () => {
      const simulator = await new Simulator({ rooms: [{ uniqueId: NAME, rate: 5 }], pageOnly: true }).start();
      const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url, tiktokSocketUrl: simulator.socketUrl };
      const signer = await startSigner({ signProviders: ['simulator'], ...tiktok });
      const roomId = simulator.room(NAME)?.roomId ?? '';
      expect(await new HttpSigner({ url: signer.url }).fetchBundle({ roomId }, never)).toMatchObject({ ok: false, reason: 'blocked' });
      expect((await fetch(`${simulator.url}/webcast/im/fetch/?room_id=${roomId}`)).headers.get('content-length')).toBe('0');
      expect(simulator.stats().refused).toEqual({ 'signature not of the page': 1, 'no signature': 1 });
      await signer.stop();
      await simulator.stop();
    });
  });

  describe('TabPool', () => {
    let simulator: Simulator;
    let host: BrowserHost;
    let pool: TabPool;
    const who: Identity = { name: 'test', userAgent: AGENT, cookies: '' };
    const doing = (ms: number) => () =>
      new Promise<{ ok: true; value: number }>((resolve) => setTimeout(() => resolve({ ok: true, value: ms }), ms));

    beforeEach(async () => {
      simulator = await new Simulator({ rooms: [{ uniqueId: NAME }] }).start();
      host = testBrowser(chromium);
      pool = new TabPool({ host, cache: memoryCache(), webUrl: simulator.url, tabsMax: 2, idleMs: 400 });
    });
    afterEach(async () => {
      await pool.close();
      await simulator.stop();
    });

    it('opens no more tabs than it may, makes the others wait, and serves them all', async () => {
      let most = 0;
      const work = () => {
        most = Math.max(most, pool.size.open);
        return doing(20)();
      };
      const results = await Promise.all(Array.from({ length: 9 }, (_, i) => pool.use(`room ${i}`, who, never, work)));
      expect(results.every(({ ok }) => ok)).toBe(true);
      expect(most).toBe(2);
      expect(pool.size).toMatchObject({ busy: 0, waiting: 0 });
    });

    it('closes tabs that nobody uses, and their contexts with the last', async () => {
      await pool.use('room', who, never, doing(1));
      expect(pool.size).toMatchObject({ open: 1, contexts: 1 });
      await waitFor(() => pool.size.open === 0 && pool.size.contexts === 0);
    });

    it('gives up waiting when the request does, and keeps nothing of it', async () => {
      const busy = [1, 2].map((i) => pool.use(`room ${i}`, who, never, doing(300)));
      await waitFor(() => pool.size.busy === 2);
      const controller = new AbortController();
      const waiting = pool.use('room 3', who, controller.signal, doing(1));
      await waitFor(() => pool.size.waiting === 1);
      controller.abort();
      expect(await waiting).toMatchObject({ ok: false, reason: 'timeout' });
      expect(pool.size.waiting).toBe(0);
      await Promise.all(busy);
    });

    it('does without a Chromium that hangs: its requests end in time, and a new one takes over', async () => {
      await pool.use('room', who, never, doing(1));
      const pid = (await host.processes()).find(({ type }) => type === 'browser')?.pid ?? 0;
      process.kill(pid, 'SIGSTOP');
      const open = (signal: AbortSignal) =>
        pool.use('other room', who, signal, async ({ page }) => ({ ok: true, value: await page.title() }));
      const startedAt = performance.now();
      expect(await open(AbortSignal.timeout(300))).toMatchObject({ ok: false, reason: 'timeout' });
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      await waitFor(async () => (await open(AbortSignal.timeout(2_000))).ok, { what: 'a new Chromium' });
      expect(host.launches).toBe(2);
      expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    });

    it('says what is wrong when there is no Chromium, and tries again only after a while', async () => {
      const lost = new BrowserHost({
        executablePath: '/nowhere/chromium',
        headless: true,
        sandbox: false,
        logger: { info: () => undefined, warn: () => undefined },
      });
      expect(await lost.get()).toMatchObject({ ok: false, reason: 'browser', message: expect.stringContaining('/nowhere/chromium') });
      expect(await lost.get()).toMatchObject({ ok: false, retryAfterMs: expect.any(Number) });
    });
  });
}

/** The browser processes that belong to this signer. */
async function browserPids(signer: RunningSigner): Promise<number[]> {
  const processes = await signer.app.get(BrowserHost, { strict: false }).processes();
  return processes.filter(({ type }) => type === 'browser').map(({ pid }) => pid);
}
