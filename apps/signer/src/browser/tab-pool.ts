import { cookiePairs } from '@tributary/signing';
import { browserParams, DEFAULT_LOCALE, isTikTokHost } from '@tributary/webcast';
import type { BrowserContext, Cookie, Page } from 'playwright-core';
import type { Cache } from '../cache/cache.js';
import type { CacheKind } from '../cache/kinds.js';
import type { Failure, Outcome } from '../providers/provider.js';
import { type BrowserHost, gone } from './browser-host.js';
import { agentOverride } from './user-agent.js';

export interface TabPoolOptions {
  host: BrowserHost;
  cache: Cache;
  /** Where pages are opened. */
  webUrl: string;
  tabsMax: number;
  /** How long an unused tab is kept. */
  idleMs: number;
}

/** Who looks at a page. Two identities share no cookies. */
export interface Identity {
  /** Provider whose visitor it is. */
  name: string;
  userAgent: string;
  proxy?: string;
  /** Cookies of a client, for one request: its tab is closed after it, and nothing of it is kept. */
  cookies: string;
}

/** A tab, until it is given back. */
export interface TabLease {
  page: Page;
  /** It has been used for the same purpose before: its page is open. */
  warm: boolean;
  /** Resolves when the tab has ended, by itself or with Chromium. */
  ended: Promise<Failure>;
  /** `name=value; ..` as sent to the site, `ttwid` first. */
  cookies(): Promise<string>;
  /** Gives the tab back: to be kept warm, or to be closed. */
  release(keep: boolean): void;
}

/** One visitor: a browser context with its tabs. It ends with its last tab. */
interface Holder {
  key: string;
  context: Promise<Outcome<BrowserContext>>;
  tabs: Set<Tab>;
  /** Tabs that are being opened in it. */
  opening: number;
  /** Its tabs are closed when they come back, and its cookies are kept nowhere. */
  once: boolean;
  /** What was last written to the cache. */
  saved: string;
  madeAt: number;
  /** It has the cookies of an earlier life. */
  restored: boolean;
}

interface Tab {
  page: Page;
  purpose: string;
  holder: Holder;
  busy: boolean;
  usedAt: number;
  ended: Promise<Failure>;
}

const SWEEP_MS = 1_000;
const SESSION_MS = 7 * 86_400_000;
/** A visitor that is not trusted at this age will not be replaced by a better one. */
const NEW_MS = 10_000;
/** Streams, which nobody watches here. */
const BLOCKED = ['*.flv*', '*.m3u8*', '*.mp4*', '*.ts?*', '*.m4s*', '*.webm*', '*.woff2*'];

const sessionKind: CacheKind<Cookie[]> = { name: 'page-session', freshMs: () => SESSION_MS, staleMs: 0, entriesMax: 200 };

/**
 * Browser tabs: never more than so many, each with a purpose (one room, or signing), kept warm for a while and used again.
 * What a visitor's cookies are is remembered, so that a restart or a death of Chromium makes no new visitor.
 */
export class TabPool {
  private readonly holders = new Map<string, Holder>();
  private readonly tabs = new Set<Tab>();
  private opening = 0;
  private readonly waiting: (() => void)[] = [];
  /** Ends with Chromium: what waits for a browser that died may wait for ever. */
  private life = new Life();
  private readonly sweeper: NodeJS.Timeout;
  private once = 0;

  constructor(private readonly o: TabPoolOptions) {
    o.host.onGone(() => this.dropAll());
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  get size(): { open: number; busy: number; waiting: number; contexts: number } {
    const busy = [...this.tabs].filter((tab) => tab.busy).length + this.opening;
    return { open: this.tabs.size + this.opening, busy, waiting: this.waiting.length, contexts: this.holders.size };
  }

  /**
   * Does something in a tab. Gives up when the signal aborts, wherever it is; when Chromium died under it, it is done once
   * more in a new one. A tab whose work failed is closed.
   */
  async use<T>(
    purpose: string,
    identity: Identity,
    signal: AbortSignal,
    work: (lease: TabLease) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const outcome = await this.tryIn(purpose, identity, signal, work);
    if (outcome.ok || outcome.reason !== 'browser' || signal.aborted) return outcome;
    await this.o.host.check();
    return this.tryIn(purpose, identity, signal, work);
  }

  private async tryIn<T>(
    purpose: string,
    identity: Identity,
    signal: AbortSignal,
    work: (lease: TabLease) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    let leave: () => void = () => undefined;
    const aborted = new Promise<Failure>((resolve) => {
      leave = () => resolve({ ok: false, reason: 'timeout', message: 'the page did not do it in time' });
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
    const acquired = this.acquire(purpose, identity, signal);
    try {
      const leased = await Promise.race([acquired, aborted]);
      if (!leased.ok) {
        // A tab that comes too late for this request is warm for the next.
        void acquired.then((late) => late.ok && late.value.release(true));
        return leased;
      }
      const lease = leased.value;
      const done = work(lease).catch((error: unknown) => failureOf(error));
      const outcome = await Promise.race([done, aborted, lease.ended, this.life.ended]);
      lease.release(outcome.ok);
      return outcome;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** A tab for a purpose, warm if there is one. Waits for a place while all tabs are busy, until the signal aborts. */
  private async acquire(purpose: string, identity: Identity, signal: AbortSignal): Promise<Outcome<TabLease>> {
    for (;;) {
      if (signal.aborted) return { ok: false, reason: 'timeout', message: 'no tab was free in time' };
      const key = this.keyOf(identity);
      const warm =
        identity.cookies === '' ? [...this.tabs].find((tab) => !tab.busy && tab.purpose === purpose && tab.holder.key === key) : undefined;
      if (warm) return { ok: true, value: this.lease(warm, true) };
      if (this.tabs.size + this.opening < this.o.tabsMax || this.closeOldest()) return this.open(purpose, key, identity);
      await this.place(signal);
    }
  }

  /** Drops a visitor that is not trusted any more: its tabs as they come back, its cookies now. True if it was an old one. */
  async forget(identity: Identity): Promise<boolean> {
    if (identity.cookies !== '') return false;
    const key = this.keyOf(identity);
    await this.o.cache.forget(sessionKind, key);
    const holder = this.holders.get(key);
    this.holders.delete(key);
    if (!holder) return false;
    holder.once = true;
    for (const tab of holder.tabs) if (!tab.busy) this.shut(tab);
    return holder.restored || Date.now() - holder.madeAt > NEW_MS;
  }

  async close(): Promise<void> {
    clearInterval(this.sweeper);
    this.dropAll();
    await this.o.host.close();
  }

  private keyOf({ name, userAgent, proxy, cookies }: Identity): string {
    return cookies === '' ? [name, userAgent, proxy ?? ''].join('|') : `once ${++this.once}`;
  }

  private lease(tab: Tab, warm: boolean): TabLease {
    tab.busy = true;
    let held = true;
    return {
      page: tab.page,
      warm,
      ended: tab.ended,
      cookies: () => this.cookiesOf(tab),
      release: (keep) => {
        if (!held) return;
        held = false;
        tab.busy = false;
        tab.usedAt = Date.now();
        if (!keep || tab.holder.once || tab.page.isClosed()) this.shut(tab);
        this.waiting.shift()?.();
      },
    };
  }

  private async open(purpose: string, key: string, identity: Identity): Promise<Outcome<TabLease>> {
    this.opening += 1;
    const holder = this.holderOf(key, identity);
    holder.opening += 1;
    try {
      return await Promise.race([this.openIn(holder, purpose, identity), this.life.ended]);
    } catch (error) {
      // Half a tab is in a context that nobody may use again.
      holder.once = true;
      return failureOf(error);
    } finally {
      this.opening -= 1;
      holder.opening -= 1;
      this.endIfEmpty(holder);
    }
  }

  private async openIn(holder: Holder, purpose: string, identity: Identity): Promise<Outcome<TabLease>> {
    const { life } = this;
    const context = await holder.context;
    if (!context.ok) return context;
    const page = await context.value.newPage();
    await dress(page, identity.userAgent);
    if (life !== this.life) return gone('Chromium has ended');
    const ended = new Promise<Failure>((resolve) => {
      const end = () => resolve(gone('the tab has ended'));
      page.once('crash', end);
      page.once('close', end);
    });
    const tab: Tab = { page, purpose, holder, busy: true, usedAt: Date.now(), ended };
    holder.tabs.add(tab);
    this.tabs.add(tab);
    page.once('crash', () => this.shut(tab));
    page.once('close', () => this.forgetTab(tab));
    return { ok: true, value: this.lease(tab, false) };
  }

  private holderOf(key: string, identity: Identity): Holder {
    const known = this.holders.get(key);
    if (known) return known;
    const holder: Holder = {
      key,
      context: Promise.resolve(gone('not made yet')),
      tabs: new Set(),
      opening: 0,
      once: identity.cookies !== '',
      saved: '',
      madeAt: Date.now(),
      restored: false,
    };
    holder.context = this.makeContext(holder, identity);
    this.holders.set(key, holder);
    return holder;
  }

  private async makeContext(holder: Holder, { userAgent, proxy, cookies }: Identity): Promise<Outcome<BrowserContext>> {
    const browser = await this.o.host.get();
    if (!browser.ok) return browser;
    try {
      const context = await browser.value.newContext({
        userAgent,
        locale: DEFAULT_LOCALE.languageTag,
        timezoneId: DEFAULT_LOCALE.timeZone,
        viewport: { width: 1280, height: 720 },
        screen: { width: DEFAULT_LOCALE.screenWidthPx, height: DEFAULT_LOCALE.screenHeightPx },
        serviceWorkers: 'block',
        ...(proxy === undefined ? {} : { proxy: proxyOf(proxy) }),
      });
      const known = cookies === '' ? await this.savedSession(holder.key) : cookiesFrom(cookies, this.o.webUrl);
      holder.restored = cookies === '' && known.length > 0;
      if (known.length > 0) await context.addCookies(known);
      return { ok: true, value: context };
    } catch (error) {
      return failureOf(error);
    }
  }

  private async savedSession(key: string): Promise<Cookie[]> {
    const nothing = () => Promise.resolve({ ok: false as const, failure: undefined });
    const found = await this.o.cache.get<Cookie[], undefined>(sessionKind, key, nothing, new AbortController().signal);
    return found.ok ? found.value : [];
  }

  /** The cookies as a header; those of a visitor of ours are kept for its next life. */
  private async cookiesOf({ holder }: Tab): Promise<string> {
    const context = await holder.context;
    if (!context.ok) return '';
    const cookies = await context.value.cookies();
    if (!holder.once) {
      const text = JSON.stringify(cookies.map(({ name, value }) => [name, value]));
      if (text !== holder.saved) {
        holder.saved = text;
        await this.o.cache.keep(sessionKind, holder.key, cookies);
      }
    }
    const { hostname } = new URL(this.o.webUrl);
    const own = cookies.filter(({ domain }) => hostname === domain || hostname.endsWith(domain.startsWith('.') ? domain : `.${domain}`));
    return cookiePairs(...own.map(({ name, value }) => `${name}=${value}`));
  }

  private closeOldest(): boolean {
    const [oldest] = [...this.tabs].filter((tab) => !tab.busy).sort((a, b) => a.usedAt - b.usedAt);
    if (oldest) this.shut(oldest);
    return oldest !== undefined;
  }

  /** Waits until a tab is given back. */
  private place(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(go), 1);
        resolve();
      };
      this.waiting.push(go);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  private sweep(): void {
    const before = Date.now() - this.o.idleMs;
    for (const tab of this.tabs) if (!tab.busy && tab.usedAt <= before) this.shut(tab);
  }

  /** Closes a tab. Chromium may be gone already, which is no news then. */
  private shut(tab: Tab): void {
    this.forgetTab(tab);
    tab.page.close().catch(() => undefined);
  }

  private forgetTab(tab: Tab): void {
    this.tabs.delete(tab);
    tab.holder.tabs.delete(tab);
    this.endIfEmpty(tab.holder);
  }

  private endIfEmpty(holder: Holder): void {
    if (holder.tabs.size > 0 || holder.opening > 0) return;
    if (this.holders.get(holder.key) === holder) this.holders.delete(holder.key);
    holder.context.then((context) => (context.ok ? context.value.close() : undefined)).catch(() => undefined);
  }

  private dropAll(): void {
    this.tabs.clear();
    this.holders.clear();
    const { life } = this;
    this.life = new Life();
    life.end();
    for (const wake of this.waiting.splice(0)) wake();
  }
}

/** One run of Chromium. */
class Life {
  end: () => void = () => undefined;
  readonly ended = new Promise<Failure>((resolve) => {
    this.end = () => resolve(gone('Chromium has ended'));
  });
}

/** What a call to Chromium failed for. */
export function failureOf(error: unknown): Failure {
  const [reason = ''] = (error as Error).message.split('\n', 1);
  const net = /net::(ERR_[A-Z_]+)/.exec(reason)?.[1];
  if (net !== undefined) return { ok: false, reason: 'connect', message: `the page cannot be opened: ${net}` };
  if (/Timeout .* exceeded/.test(reason)) return { ok: false, reason: 'timeout', message: 'the page did not open in time' };
  return gone(`Chromium failed: ${reason.replace(/https?:\/\/\S+/g, '(address)').slice(0, 200)}`);
}

/** Makes a tab look like the client it stands for, in every place that says who it is, and keeps streams out of it. */
async function dress(page: Page, userAgent: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { browser_platform: platform } = browserParams(userAgent);
  await session.send('Emulation.setUserAgentOverride', agentOverride(userAgent, DEFAULT_LOCALE.languageTag, platform));
  await session.send('Network.enable');
  await session.send('Network.setBlockedURLs', { urls: BLOCKED });
}

function proxyOf(address: string): { server: string; username?: string; password?: string } {
  const { protocol, host, username, password } = new URL(address);
  const server = `${protocol}//${host}`;
  return username === '' ? { server } : { server, username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/** A client's cookies as those of the site. */
function cookiesFrom(header: string, webUrl: string): Cookie[] {
  const { hostname, protocol } = new URL(webUrl);
  const domain = isTikTokHost(hostname) ? '.tiktok.com' : hostname;
  return header.split('; ').map((pair) => ({
    name: pair.slice(0, pair.indexOf('=')),
    value: pair.slice(pair.indexOf('=') + 1),
    domain,
    path: '/',
    expires: -1,
    httpOnly: true,
    secure: protocol === 'https:',
    sameSite: 'Lax' as const,
  }));
}
