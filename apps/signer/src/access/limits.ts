import { GroupedTakes, LuaScript, type Peers, type OptionalRedis } from '@tributary/runtime';
import { LocalWindows } from './local-windows.js';
import { type Limits, type LimitVerdict, WINDOWS, type WindowState } from './windows.js';

const LENGTH_MS: Limits = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const UNLIMITED: LimitVerdict = { allowed: true, counted: true, windows: [] };
const UNCOUNTED: LimitVerdict = { allowed: true, counted: false, windows: [] };
const takeScript = new LuaScript(new URL('./take.lua', import.meta.url));

/**
 * Counts requests by who makes them, in Redis and so over all signers; those that arrive together in one command. While Redis
 * is away each signer gives its share of what was left, and has Redis count it when it is back.
 */
export class RateLimits {
  private readonly takes = new GroupedTakes<Limits, LimitVerdict>((who, limits, count) => this.run(who, limits, count));
  private readonly local: LocalWindows;

  constructor(
    private readonly redis: OptionalRedis,
    private readonly prefix: string,
    peers: Pick<Peers, 'count'>,
  ) {
    this.local = new LocalWindows(() => peers.count);
  }

  /** Counts one request of `who` against its limits. */
  take(who: string, limits: Limits): Promise<LimitVerdict> {
    if (WINDOWS.every((window) => limits[window] === 0)) return Promise.resolve(UNLIMITED);
    return this.takes.take(who, limits);
  }

  /** Where `who` stands, without counting. */
  async look(who: string, limits: Limits): Promise<LimitVerdict> {
    const [verdict] = await this.run(who, limits, 0);
    return verdict ?? UNCOUNTED;
  }

  /** Counts so many requests; the verdict of each in turn, or of none with `count` 0. Empty while Redis is away. */
  private async run(who: string, limits: Limits, count: number): Promise<LimitVerdict[]> {
    const limited = WINDOWS.filter((window) => limits[window] > 0);
    if (limited.length === 0) return [UNLIMITED];
    const keys = limited.map((window) => `${this.prefix}:{sign-limit-${who}}:${window}`);
    const args = limited.flatMap((window) => [limits[window], LENGTH_MS[window]]);
    const owed = this.local.takeOwed(who);
    if (owed > 0 && !(await this.redis.ask((redis) => takeScript.run(redis, keys, [...args, owed])))) this.local.owe(who, owed);
    const answer = await this.redis.ask((redis) => takeScript.run(redis, keys, [...args, count]));
    if (answer === undefined) return Array.from({ length: count }, () => this.local.take(who, limits, limited, LENGTH_MS));
    const [granted = 0, ...numbers] = answer as number[];
    const verdicts = Array.from({ length: Math.max(1, count) }, (_, index): LimitVerdict => {
      const allowed = index < granted || count === 0;
      const windows = limited.map((window, at): WindowState => {
        const used = (numbers[2 * at] ?? 0) + Math.min(granted, index + 1);
        return { window, max: limits[window], remaining: Math.max(0, limits[window] - used), resetMs: numbers[2 * at + 1] ?? 0 };
      });
      return { allowed, counted: true, windows };
    });
    for (const window of verdicts.at(-1)?.windows ?? []) this.local.learn(who, window);
    return verdicts;
  }
}

/** The window that says most about what may still be asked: the one that is full for longest, else the one with least left. */
export function tightest(windows: readonly WindowState[]): WindowState | undefined {
  const full = windows.filter(({ remaining }) => remaining === 0);
  if (full.length > 0) return full.reduce((a, b) => (b.resetMs > a.resetMs ? b : a));
  return windows.length === 0 ? undefined : windows.reduce((a, b) => (b.remaining < a.remaining ? b : a));
}

/** Reads the settings of single keys, `id=minute/hour/day`. */
export function readKeyLimits(entries: readonly string[]): Map<string, Limits> {
  return new Map(
    entries.map((entry) => {
      const [id = '', numbers = ''] = entry.split('=');
      const [minute = 0, hour = 0, day = 0] = numbers.split('/').map(Number);
      return [id, { minute, hour, day }];
    }),
  );
}
