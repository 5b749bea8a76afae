import { backoffMs, type Logger } from '@tributary/runtime';
import { untilAborted } from '@tributary/webcast';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import type { Failure, Outcome } from '../providers/provider.js';

export interface BrowserHostOptions {
  executablePath: string;
  headless: boolean;
  /** Chromium's own sandbox, where this user may use it. */
  sandbox: boolean;
  logger: Pick<Logger, 'info' | 'warn'>;
}

/** One process of Chromium, as it reports itself. */
export interface BrowserProcess {
  type: string;
  pid: number;
}

const LAUNCH_MS_MAX = 20_000;
/** A Chromium that does not answer for this long counts as hanging. */
const CHECK_MS_MAX = 5_000;
const RELAUNCH = { firstMs: 500, maxMs: 60_000 };
/** Switches that turn off sound, background work and everything meant for a person at the screen. */
const ARGS = [
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
  '--disable-default-apps',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--mute-audio',
  // Pictures and video are most of a page's cost, and no provider needs them.
  '--blink-settings=imagesEnabled=false',
  '--autoplay-policy=user-gesture-required',
];

/** The one Chromium of this process. It is started when it is needed, restarted after a crash, and never runs twice at once. */
export class BrowserHost {
  private running: Browser | undefined;
  private starting: Promise<Outcome<Browser>> | undefined;
  private pid: number | undefined;
  private failures = 0;
  private restsUntil = 0;
  private closed = false;
  private readonly goneListeners = new Set<() => void>();
  launches = 0;

  constructor(private readonly options: BrowserHostOptions) {}

  /** Called when Chromium has ended, whoever ended it. */
  onGone(listener: () => void): void {
    this.goneListeners.add(listener);
  }

  /** The browser, started if needed; a failure while it cannot be started. */
  async get(): Promise<Outcome<Browser>> {
    if (this.running) return { ok: true, value: this.running };
    if (this.closed) return gone('the signer is stopping');
    const restMs = this.restsUntil - Date.now();
    if (restMs > 0) return { ...gone('Chromium could not be started a moment ago'), retryAfterMs: restMs };
    this.starting ??= this.launch().finally(() => (this.starting = undefined));
    return this.starting;
  }

  /** Checks that the browser lives, so that {@link get} returns a living one: after a failure its end may not be noticed yet. */
  async check(): Promise<void> {
    const browser = this.running;
    if (!browser) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), CHECK_MS_MAX);
    });
    const alive = browser.newBrowserCDPSession().then(
      (session) => session.detach().then(() => true),
      () => false,
    );
    if (!(await Promise.race([alive, late]))) {
      this.end(browser);
      this.kill();
    }
    clearTimeout(timer);
  }

  /** Chromium's processes; empty when it is not running. */
  async processes(): Promise<BrowserProcess[]> {
    if (!this.running) return [];
    const session = await this.running.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    return processInfo.map(({ type, id }) => ({ type, pid: id }));
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.starting;
    await this.running?.close();
  }

  /** Kills a Chromium that does not respond. One that has ended is not touched, since its process id may be used again. */
  private kill(): void {
    if (this.pid === undefined) return;
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    this.pid = undefined;
  }

  private async launch(): Promise<Outcome<Browser>> {
    const { executablePath, headless, sandbox, logger } = this.options;
    try {
      if (!existsSync(executablePath)) throw new Error('there is no such file');
      const browser = await chromium.launch({
        executablePath,
        headless,
        chromiumSandbox: sandbox && process.getuid?.() !== 0,
        args: ARGS,
        timeout: LAUNCH_MS_MAX,
        // The signer ends it in its own order.
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
      });
      this.running = browser;
      // A Chromium that was launched and does not answer must not keep all requests waiting.
      const processes = await untilAborted(this.processes(), AbortSignal.timeout(CHECK_MS_MAX)).catch((error: unknown) => {
        this.running = undefined;
        browser.close().catch(() => undefined);
        throw error;
      });
      this.pid = processes.find(({ type }) => type === 'browser')?.pid;
      this.launches += 1;
      this.failures = 0;
      browser.once('disconnected', () => {
        if (this.running === browser) this.pid = undefined;
        this.end(browser);
      });
      logger.info({ version: browser.version(), executablePath }, 'Chromium has started');
      return { ok: true, value: browser };
    } catch (error) {
      const delayMs = backoffMs(this.failures, RELAUNCH);
      this.failures += 1;
      this.restsUntil = Date.now() + delayMs;
      // Playwright adds the whole command line and log to its message.
      const reason = (error as Error).message.split('\n', 1)[0] ?? '';
      logger.warn({ executablePath, reason, delayMs }, 'Chromium cannot be started (CHROMIUM_PATH, CHROMIUM_SANDBOX)');
      return { ...gone(`Chromium cannot be started from ${executablePath}: ${reason}`), retryAfterMs: delayMs };
    }
  }

  private end(browser: Browser): void {
    if (this.running !== browser) return;
    this.running = undefined;
    if (!this.closed) this.options.logger.warn({}, 'Chromium has ended; the next request starts it anew');
    for (const listener of this.goneListeners) listener();
    browser.close().catch(() => undefined);
  }
}

/** The failure of everything that needs Chromium while it is not there. */
export function gone(message: string): Failure {
  return { ok: false, reason: 'browser', message };
}
