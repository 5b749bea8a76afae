import type { Page } from 'playwright-core';
import type { Cache } from '../cache/cache.js';
import type { Failure, Outcome } from '../providers/provider.js';
import { type BrowserHost, gone } from './browser-host.js';
import { Ending, orAborted } from './ending.js';
import { failureOf, type Identity, Visit } from './visit.js';

export interface TabPoolOptions {
  host: BrowserHost;
  cache: Cache;
  /** Where pages are opened. */
  webUrl: string;
  tabsMax: number;
  /** How long an unused tab is kept. */
  idleMs: number;
}

/** A tab, while it is used. */
export interface TabLease {
  page: Page;
  /** It has been used for the same purpose before: its page is open. */
  warm: boolean;
  /** `name=value; ..` as sent to the site, `ttwid` first. */
  cookies(): Promise<string>;
}

/** A visitor with its tabs. It ends with the last of them. */
interface Holder {
  visit: Visit;
  tabs: Set<Tab>;
  /** Tabs that are being opened in it. */
  opening: number;
  /** Its tabs are closed when they are returned: it is a client's session, or no longer trusted. */
  once: boolean;
}

interface Tab {
  page: Page;
  purpose: string;
  holder: Holder;
  busy: boolean;
  usedAt: number;
  ending: Ending;
}

type Work<T> = (lease: TabLease) => Promise<Outcome<T>>;

const SWEEP_MS = 1_000;

/** A bounded pool of browser tabs. Each tab has a purpose (one room, or signing), stays open for a while and is used again. */
export class TabPool {
  private readonly holders = new Map<string, Holder>();
  private readonly tabs = new Set<Tab>();
  private opening = 0;
  private readonly waiting: (() => void)[] = [];
  /** This run of Chromium. */
  private life = new Ending();
  private readonly sweeper: NodeJS.Timeout;
  private visits = 0;

  constructor(private readonly o: TabPoolOptions) {
    o.host.onGone(() => this.dropAll());
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  get size(): { open: number; busy: number; waiting: number; contexts: number } {
    const busy = [...this.tabs].filter((tab) => tab.busy).length + this.opening;
    return { open: this.tabs.size + this.opening, busy, waiting: this.waiting.length, contexts: this.holders.size };
  }

  /**
   * Runs work in a tab, until the signal aborts. When Chromium dies meanwhile, the work runs once more in a new one. A tab whose
   * work failed is closed.
   */
  async use<T>(purpose: string, identity: Identity, signal: AbortSignal, work: Work<T>): Promise<Outcome<T>> {
    const outcome = await this.tryIn(purpose, identity, signal, work);
    if (outcome.ok || outcome.reason !== 'browser' || signal.aborted) return outcome;
    await this.o.host.check();
    return this.tryIn(purpose, identity, signal, work);
  }

  /** Drops a visitor that TikTok no longer trusts: its cookies now, its tabs when they are returned. True if it was an old one. */
  async forget(identity: Identity): Promise<boolean> {
    if (identity.cookies !== '') return false;
    const key = this.keyOf(identity);
    await Visit.forget(this.o.cache, key);
    const holder = this.holders.get(key);
    this.holders.delete(key);
    if (!holder) return false;
    holder.once = true;
    for (const tab of holder.tabs) if (!tab.busy) this.shut(tab);
    return holder.visit.old;
  }

  async close(): Promise<void> {
    clearInterval(this.sweeper);
    this.dropAll();
    await this.o.host.close();
  }

  private async tryIn<T>(purpose: string, identity: Identity, signal: AbortSignal, work: Work<T>): Promise<Outcome<T>> {
    const late = (): Failure => ({ ok: false, reason: 'timeout', message: 'the page did not do it in time' });
    const acquired = this.acquire(purpose, identity, signal);
    const got = await orAborted(acquired, signal, late);
    if (!got.ok) {
      if (signal.aborted) void this.o.host.check();
      // A tab that comes too late for this request is warm for the next.
      void acquired.then((tab) => tab.ok && this.release(tab.value.tab, true));
      return got;
    }
    const { tab, warm } = got.value;
    const done = work({ page: tab.page, warm, cookies: () => tab.holder.visit.cookies() }).catch((error: unknown) => failureOf(error));
    const outcome = await orAborted(
      tab.ending.orElse<Outcome<T>>(done, () => gone('the tab has ended')),
      signal,
      late,
    );
    this.release(tab, outcome.ok);
    // A page that does not answer is common; a Chromium that does not answer must be restarted.
    if (signal.aborted) void this.o.host.check();
    return outcome;
  }

  /** A tab for a purpose, an open one if there is one. Waits while all tabs are busy, until the signal aborts. */
  private async acquire(purpose: string, identity: Identity, signal: AbortSignal): Promise<Outcome<{ tab: Tab; warm: boolean }>> {
    const key = this.keyOf(identity);
    for (let waited = false; ; waited = true) {
      if (signal.aborted) return { ok: false, reason: 'timeout', message: 'no tab was free in time' };
      // Waiting requests go first.
      if (waited || this.waiting.length === 0) {
        const warm = [...this.tabs].find((tab) => !tab.busy && tab.purpose === purpose && tab.holder.visit.key === key);
        if (warm) {
          warm.busy = true;
          return { ok: true, value: { tab: warm, warm: true } };
        }
        if (this.tabs.size + this.opening < this.o.tabsMax || this.closeOldest()) return this.open(purpose, key, identity);
      }
      await this.turn(signal);
    }
  }

  private release(tab: Tab, keep: boolean): void {
    tab.busy = false;
    tab.usedAt = Date.now();
    if (!keep || tab.holder.once || tab.page.isClosed()) this.shut(tab);
    this.waiting.shift()?.();
  }

  /** Each client's session has a visitor of its own. */
  private keyOf({ name, userAgent, proxy, cookies }: Identity): string {
    return cookies === '' ? [name, userAgent, proxy ?? ''].join('|') : `once ${++this.visits}`;
  }

  private async open(purpose: string, key: string, identity: Identity): Promise<Outcome<{ tab: Tab; warm: boolean }>> {
    this.opening += 1;
    const holder = this.holderOf(key, identity);
    holder.opening += 1;
    const opened = await this.life.orElse(
      this.openIn(holder, purpose).catch((error: unknown) => failureOf(error)),
      () => gone('Chromium has ended'),
    );
    this.opening -= 1;
    holder.opening -= 1;
    if (opened.ok) return { ok: true, value: { tab: opened.value, warm: false } };
    // A tab that was not opened completely may be in a context that must not be used again.
    holder.once = true;
    this.endIfEmpty(holder);
    this.waiting.shift()?.();
    return opened;
  }

  private async openIn(holder: Holder, purpose: string): Promise<Outcome<Tab>> {
    const { life } = this;
    const opened = await holder.visit.newPage();
    if (!opened.ok) return opened;
    if (life !== this.life) return gone('Chromium has ended');
    const page = opened.value;
    const tab: Tab = { page, purpose, holder, busy: true, usedAt: Date.now(), ending: new Ending() };
    holder.tabs.add(tab);
    this.tabs.add(tab);
    page.once('crash', () => this.shut(tab));
    page.once('close', () => this.drop(tab));
    return { ok: true, value: tab };
  }

  private holderOf(key: string, identity: Identity): Holder {
    const known = this.holders.get(key);
    if (known) return known;
    const { host, cache, webUrl } = this.o;
    const visit = new Visit(key, identity, host, cache, webUrl);
    const holder: Holder = { visit, tabs: new Set(), opening: 0, once: identity.cookies !== '' };
    this.holders.set(key, holder);
    return holder;
  }

  private closeOldest(): boolean {
    const [oldest] = [...this.tabs].filter((tab) => !tab.busy).sort((a, b) => a.usedAt - b.usedAt);
    if (oldest) this.shut(oldest);
    return oldest !== undefined;
  }

  /** Waits until a tab is given back. */
  private turn(signal: AbortSignal): Promise<void> {
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

  /** Closes a tab. It is no error when Chromium has ended already. */
  private shut(tab: Tab): void {
    this.drop(tab);
    tab.page.close().catch(() => undefined);
  }

  private drop(tab: Tab): void {
    tab.ending.end();
    if (!this.tabs.delete(tab)) return;
    tab.holder.tabs.delete(tab);
    this.endIfEmpty(tab.holder);
  }

  private endIfEmpty(holder: Holder): void {
    if (holder.tabs.size > 0 || holder.opening > 0) return;
    const { key } = holder.visit;
    if (this.holders.get(key) === holder) this.holders.delete(key);
    holder.visit.close();
  }

  /** Chromium has ended, and everything in it. */
  private dropAll(): void {
    const { life } = this;
    this.life = new Ending();
    life.end();
    for (const tab of this.tabs) tab.ending.end();
    this.tabs.clear();
    this.holders.clear();
    for (const wake of this.waiting.splice(0)) wake();
  }
}
