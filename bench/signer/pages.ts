import { existsSync } from 'node:fs';
import { Config } from '@tributary/runtime';
import { freePorts, Simulator } from '@tributary/testing';
import { Measured } from './process.js';

/** Cost of Chromium. Memory in bytes; a page shared by several processes counts once. */
export interface PagesResult {
  provider: string;
  tabs: number;
  /** Chromium with one tab. */
  baseBytes: number;
  /** What each further tab adds. */
  bytesPerTab: number;
  coldMs: number;
  newTabMs: number;
  warmMs: number;
}

const TABS = 8;

/** Views rooms of a simulator that trusts only its own page, and measures tabs; undefined where there is no Chromium. */
export async function measurePages(signerEntry: string, env: Record<string, string>, logFile: string): Promise<PagesResult[] | undefined> {
  const { chromiumPath } = new Config();
  const path = env.CHROMIUM_PATH ?? chromiumPath;
  if (!existsSync(path)) return undefined;
  const names = Array.from({ length: TABS }, (_, i) => `creator${i}`);
  const simulator = await new Simulator({ rooms: names.map((uniqueId) => ({ uniqueId, rate: 4 })), pageOnly: true }).start();
  try {
    return [await measure('page'), await measure('page-sign')];
  } finally {
    await simulator.stop();
  }

  async function measure(provider: string): Promise<PagesResult> {
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const settings = {
      SIGNER_PORT: String(port),
      SIGN_PROVIDERS: provider,
      SIGN_PROVIDER_OPTIONS: JSON.stringify({ [provider]: { concurrency: TABS, timeoutMs: 20_000 } }),
      SIGN_BUDGET_MS: '30000',
      SIGN_TABS_MAX: String(TABS),
      SIGN_SHARE_MS: '0',
      CHROMIUM_PATH: path,
      TIKTOK_WEB_URL: simulator.url,
      TIKTOK_WEBCAST_URL: simulator.url,
      REDIS_PREFIX: `bench-${provider}`,
    };
    const signer = await Measured.start(signerEntry, { ...env, ...settings }, url, '/healthz', logFile);
    const timed = async (name: string): Promise<number> => {
      const startedAt = performance.now();
      const answer = await fetch(`${url}/webcast/rooms/${simulator.room(name)?.roomId}/connect`);
      const text = answer.ok ? '' : await answer.text();
      if (!answer.ok) throw new Error(`${provider} answered ${answer.status}: ${text}`);
      await answer.arrayBuffer();
      return performance.now() - startedAt;
    };
    try {
      const coldMs = await timed(names[0] ?? '');
      const baseBytes = signer.bytesBelow();
      const news: number[] = [];
      // page-sign needs no tab per room: only requests at the same time open more.
      if (provider === 'page') for (const name of names.slice(1)) news.push(await timed(name));
      else news.push(...(await Promise.all(names.map(timed))));
      const full = signer.bytesBelow();
      const warm: number[] = [];
      for (const name of names) warm.push(await timed(name));
      return {
        provider,
        tabs: TABS,
        baseBytes,
        bytesPerTab: Math.round((full - baseBytes) / (TABS - 1)),
        coldMs: Math.round(coldMs),
        newTabMs: median(news),
        warmMs: median(warm),
      };
    } finally {
      await signer.stop();
    }
  }
}

function median(values: number[]): number {
  return Math.round(values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0);
}
