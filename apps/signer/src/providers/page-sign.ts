import { type ConnectBundle, cookiePairs, type SignedUrl } from '@tributary/signing';
import type { Page, Route } from 'playwright-core';
import type { TabLease, TabPool } from '../browser/tab-pool.js';
import type { Identity } from '../browser/visit.js';
import { fetchBundleBytes, imFetchUrl } from '../tiktok/im-fetch.js';
import type { Upstream } from '../tiktok/upstream.js';
import {
  type ConnectRequest,
  type FailureReason,
  isDistrust,
  type Outcome,
  reasonOfStatus,
  type SignProvider,
  type SignRequest,
} from './provider.js';

export interface PageSignProviderOptions {
  tabs: TabPool;
  upstream: Upstream;
  webUrl: string;
  webcastUrl: string;
  proxy?: string;
}

interface Signature {
  signed: SignedUrl;
  /** Of the page that signed, `ttwid` first. */
  cookies: string;
}

const TOKENS = ['X-Bogus', 'X-Gnarly', 'msToken', '_signature', 'signature'];
/** Interval between two tries while the page's SDK is not ready. */
const WAKE_MS = 100;

/**
 * Has the SDK inside TikTok's own page sign: the page issues the request, which is intercepted with its signature and never
 * sent. This process sends it, with the page's user agent and cookies. A few tabs sign for all rooms.
 */
export class PageSignProvider implements SignProvider {
  readonly name = 'page-sign';

  constructor(private readonly options: PageSignProviderOptions) {}

  async connect(request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
    const { userAgent, roomId } = request;
    const url = imFetchUrl(this.options.webcastUrl, request);
    const signature = await this.signature({ url, method: 'GET', userAgent, cookies: request.cookies }, signal);
    if (!signature.ok) return signature;
    const { signed, cookies } = signature.value;
    if (!/^ttwid=./.test(cookies)) return { ok: false, reason: 'missing-cookie', message: 'the page has no ttwid cookie' };
    const fetched = await fetchBundleBytes(this.options.upstream, signed.signedUrl, { userAgent, cookies }, signal);
    if (!fetched.ok) return fetched;
    const { bytes, setCookies } = fetched.value;
    const jar = cookiePairs(cookies, ...setCookies.map((line) => line.split(';', 1)[0] ?? ''));
    return { ok: true, value: { fetchResult: bytes, cookies: jar, roomId, userAgent, provider: this.name } };
  }

  async sign(request: SignRequest, signal: AbortSignal): Promise<Outcome<SignedUrl>> {
    const signature = await this.signature(request, signal);
    return signature.ok ? { ok: true, value: signature.value.signed } : signature;
  }

  failed(request: ConnectRequest, reason: FailureReason): Promise<boolean> {
    return isDistrust(reason) ? this.options.tabs.forget(this.identity(request)) : Promise.resolve(false);
  }

  async close(): Promise<void> {
    await Promise.all([this.options.tabs.close(), this.options.upstream.close()]);
  }

  private signature(request: SignRequest, signal: AbortSignal): Promise<Outcome<Signature>> {
    return this.options.tabs.use('sign', this.identity(request), signal, (lease) => this.signIn(lease, request, signal));
  }

  private async signIn(
    lease: TabLease,
    { url, method, payload, userAgent }: SignRequest,
    signal: AbortSignal,
  ): Promise<Outcome<Signature>> {
    const { page, warm } = lease;
    if (!warm) {
      const document = await page.goto(new URL('/', this.options.webUrl).href, { waitUntil: 'load', timeout: 0 });
      const status = document?.status() ?? 200;
      if (status !== 200) return { ok: false, reason: reasonOfStatus(status), message: `the page that signs answered status ${status}` };
    }
    const secure = new URL(url);
    // A page that came by https may not ask by http; a signature covers neither scheme nor host.
    if (page.url().startsWith('https:')) secure.protocol = 'https:';
    for (;;) {
      const caught = await intercept(page, secure.href, method, payload);
      const tokens = Object.fromEntries(
        TOKENS.flatMap((name) => (caught.searchParams.has(name) ? [[name, caught.searchParams.get(name) ?? '']] : [])),
      );
      if (Object.keys(tokens).length > 0) {
        const signedUrl = `${url.origin}${caught.href.slice(caught.origin.length)}`;
        return { ok: true, value: { signed: { signedUrl, userAgent, tokens }, cookies: await lease.cookies() } };
      }
      if (signal.aborted) return { ok: false, reason: 'bad-answer', message: 'the SDK of the page signed nothing' };
      await page.waitForTimeout(WAKE_MS);
    }
  }

  private identity({ userAgent, cookies }: { userAgent: string; cookies: string }): Identity {
    return { name: this.name, userAgent, proxy: this.options.proxy, cookies };
  }
}

/** Lets the page issue a request and intercepts it: returns the URL that the page's SDK signed. */
async function intercept(page: Page, address: string, method: string, body: string | undefined): Promise<URL> {
  const { pathname } = new URL(address);
  let take: (url: URL) => void = () => undefined;
  const taken = new Promise<URL>((resolve) => (take = resolve));
  const handler = async (route: Route) => {
    const url = new URL(route.request().url());
    if (url.pathname === pathname) take(url);
    // No request of this page is sent from now on: it only signs.
    await route.abort();
  };
  await page.route('**/*', handler);
  try {
    // The request ends as failed, which the page must not complain about.
    const asked = page.evaluate(
      ([to, how, what]) => void fetch(to ?? '', { method: how, body: what || undefined, credentials: 'include' }).catch(() => undefined),
      [address, method, body ?? ''],
    );
    const [url] = await Promise.all([taken, asked]);
    return url;
  } finally {
    await page.unroute('**/*', handler);
  }
}
