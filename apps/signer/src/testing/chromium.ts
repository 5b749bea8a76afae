import { Config } from '@tributary/runtime';
import { existsSync } from 'node:fs';
import { BrowserHost } from '../browser/browser-host.js';

const { chromiumPath } = Object.assign(new Config(), process.env.CHROMIUM_PATH ? { chromiumPath: process.env.CHROMIUM_PATH } : {});

/** Where Chromium is on this machine; undefined, and reported, when it is not. */
export function findChromium(): string | undefined {
  if (existsSync(chromiumPath)) return chromiumPath;
  process.stdout.write(`skipped: no Chromium (${chromiumPath}, or CHROMIUM_PATH)\n`);
  return undefined;
}

/** A headless Chromium for tests. */
export function testBrowser(executablePath: string): BrowserHost {
  return new BrowserHost({ executablePath, headless: true, sandbox: false, logger: { info: () => undefined, warn: () => undefined } });
}
