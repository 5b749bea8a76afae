import { describe, it } from '@jest/globals';
import { TabPool } from '../browser/tab-pool.js';
import { findChromium, testBrowser } from '../testing/chromium.js';
import { memoryCache } from '../testing/memory-cache.js';
import type { ScriptedUpstream } from '../testing/scripted-upstream.js';
import { Hosts } from '../tiktok/hosts.js';
import { Upstream } from '../tiktok/upstream.js';
import { providerConformance } from './conformance.js';
import { PageProvider } from './page.js';
import { PageSignProvider } from './page-sign.js';

const chromium = findChromium();
const faults = {
  'empty-body': 'empty-body',
  'empty-cursor': 'empty-cursor',
  garbage: 'bad-answer',
  'http-402': 'http-402',
  'http-403': 'http-403',
  'http-429': 'http-429',
  'http-500': 'http-5xx',
  crash: 'connect',
} as const;

if (chromium === undefined) {
  describe('providers page and page-sign', () => {
    it.skip('skipped: no Chromium', () => undefined);
  });
} else {
  // One Chromium serves all tests; each has tabs of its own.
  const host = testBrowser(chromium);
  const close = host.close.bind(host);
  host.close = () => Promise.resolve();
  const tabs = ({ url }: ScriptedUpstream) => new TabPool({ host, cache: memoryCache(), webUrl: url, tabsMax: 4, idleMs: 10_000 });

  providerConformance('page', {
    make: (scripted) =>
      new PageProvider({ tabs: tabs(scripted), webUrl: scripted.url, ownerOf: (roomId) => Promise.resolve(`room${roomId}`) }),
    faultPath: /im\/fetch/,
    faults,
  });

  providerConformance('page-sign', {
    make: (scripted) =>
      new PageSignProvider({
        tabs: tabs(scripted),
        upstream: new Upstream(new Hosts([scripted.url]), { bodyBytesMax: 1_000_000, connectionsMax: 16 }),
        webUrl: scripted.url,
        webcastUrl: scripted.url,
      }),
    faultPath: /im\/fetch/,
    faults,
    end: close,
  });
}
