import { cookiePairs } from '@tributary/signing';
import { browserParams, DEFAULT_LOCALE, isTikTokHost } from '@tributary/webcast';
import type { BrowserContext, Cookie, Page } from 'playwright-core';
import type { Cache } from '../cache/cache.js';
import type { CacheKind } from '../cache/kinds.js';
import type { Failure, Outcome } from '../providers/provider.js';
import { type BrowserHost, gone } from './browser-host.js';
import { agentOverride } from './user-agent.js';

/** The identity under which a page is opened. Two identities share no cookies. */
export interface Identity {
  /** Provider whose visitor it is. */
  name: string;
  userAgent: string;
  proxy?: string;
  /** Cookies of a client, for one request: its tab is closed after it, and nothing of it is kept. */
  cookies: string;
}

const SESSION_MS = 7 * 86_400_000;
/** A visitor younger than this is not replaced when TikTok does not trust it: a new one would not be trusted either. */
const NEW_MS = 10_000;
/** Bound of Chromium's error messages, in characters. */
const REASON_LENGTH_MAX = 1_000;
/** Video streams and fonts, which no provider needs. */
const BLOCKED = ['*.flv*', '*.m3u8*', '*.mp4*', '*.ts?*', '*.m4s*', '*.webm*', '*.woff2*'];

const sessionKind: CacheKind<Cookie[]> = { name: 'page-session', freshMs: () => SESSION_MS, staleMs: 0, entriesMax: 200 };

/**
 * One visitor's browser context. Its cookies are kept, so that a restart or a crash of Chromium makes no new visitor. Cookies of a
 * client's session are never kept.
 */
export class Visit {
  private readonly context: Promise<Outcome<BrowserContext>>;
  private readonly madeAt = Date.now();
  /** It was opened with cookies from before a restart of Chromium. */
  private restored = false;
  /** Cookies that were last kept. */
  private saved = '';

  constructor(
    readonly key: string,
    private readonly identity: Identity,
    host: BrowserHost,
    private readonly cache: Cache,
    private readonly webUrl: string,
  ) {
    this.context = this.open(host);
  }

  /** Drops the kept cookies of a visitor. */
  static forget(cache: Cache, key: string): Promise<void> {
    return cache.forget(sessionKind, key);
  }

  /** Whether TikTok might trust a new visitor where it does not trust this one. */
  get old(): boolean {
    return this.restored || Date.now() - this.madeAt > NEW_MS;
  }

  /** Opens a tab with the properties of the client's browser. Throws Chromium's errors. */
  async newPage(): Promise<Outcome<Page>> {
    const context = await this.context;
    if (!context.ok) return context;
    const page = await context.value.newPage();
    await dress(page, this.identity.userAgent);
    return { ok: true, value: page };
  }

  /** Its cookies as the site gets them, `ttwid` first. */
  async cookies(): Promise<string> {
    const context = await this.context;
    if (!context.ok) return '';
    const cookies = await context.value.cookies();
    const text = JSON.stringify(cookies.map(({ name, value }) => [name, value]));
    if (this.identity.cookies === '' && text !== this.saved) {
      this.saved = text;
      await this.cache.keep(sessionKind, this.key, cookies);
    }
    const { hostname } = new URL(this.webUrl);
    const own = cookies.filter(({ domain }) => hostname === domain || hostname.endsWith(domain.startsWith('.') ? domain : `.${domain}`));
    return cookiePairs(...own.map(({ name, value }) => `${name}=${value}`));
  }

  /** Closes it with its tabs. It is no error when Chromium has ended already. */
  close(): void {
    this.context.then((context) => (context.ok ? context.value.close() : undefined)).catch(() => undefined);
  }

  private async open(host: BrowserHost): Promise<Outcome<BrowserContext>> {
    const { userAgent, proxy, cookies } = this.identity;
    const browser = await host.get();
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
      const known = cookies === '' ? await this.remembered() : cookiesFrom(cookies, this.webUrl);
      this.restored = cookies === '' && known.length > 0;
      if (known.length > 0) await context.addCookies(known);
      return { ok: true, value: context };
    } catch (error) {
      return failureOf(error);
    }
  }

  private async remembered(): Promise<Cookie[]> {
    const nothing = () => Promise.resolve({ ok: false as const, failure: undefined });
    const found = await this.cache.get<Cookie[], undefined>(sessionKind, this.key, nothing, new AbortController().signal);
    return found.ok ? found.value : [];
  }
}

/** The failure behind an error of Chromium. */
export function failureOf(error: unknown): Failure {
  // Chromium's message may quote the page, at any length.
  const [reason = ''] = (error as Error).message.slice(0, REASON_LENGTH_MAX).split('\n', 1);
  const net = /net::(ERR_[A-Z_]+)/.exec(reason)?.[1];
  if (net !== undefined) return { ok: false, reason: 'connect', message: `the page cannot be opened: ${net}` };
  if (/Timeout \d{1,9}ms exceeded/.test(reason)) return { ok: false, reason: 'timeout', message: 'the page did not open in time' };
  return gone(`Chromium failed: ${reason.replace(/https?:\/\/\S+/g, '(address)').slice(0, 200)}`);
}

/** Gives a tab one identity in all headers and scripts, and blocks streams in it. */
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
