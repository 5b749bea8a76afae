import { LuaScript } from '@tributary/runtime';
import type { RedisGate } from '../redis-gate.js';

/** Windows in which requests are counted, shortest first. */
export const WINDOWS = ['minute', 'hour', 'day'] as const;
export type Window = (typeof WINDOWS)[number];

/** Requests per window; 0 is no limit. */
export type Limits = Record<Window, number>;

export const NO_LIMITS: Limits = { minute: 0, hour: 0, day: 0 };

/** Where one window stands. */
export interface WindowState {
  window: Window;
  max: number;
  remaining: number;
  /** ms until all of `max` is there again; 0 when nothing was used. */
  resetMs: number;
}

/** `windows`: those that have a limit. Empty when there is none, and when Redis cannot be asked (`counted: false`). */
export interface LimitVerdict {
  allowed: boolean;
  counted: boolean;
  windows: WindowState[];
}

const LENGTH_MS: Limits = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const takeScript = new LuaScript(new URL('./take.lua', import.meta.url));

/**
 * Counts requests by who makes them, in Redis and so over all signers. While Redis is away nothing is counted and
 * everybody is let through: a signer that refuses is worth less than one that counts late.
 */
export class RateLimits {
  constructor(
    private readonly redis: RedisGate,
    private readonly prefix: string,
  ) {}

  /** Counts one request of `who` against its limits. */
  take(who: string, limits: Limits): Promise<LimitVerdict> {
    return this.run(who, limits, 1);
  }

  /** Where `who` stands, without counting. */
  look(who: string, limits: Limits): Promise<LimitVerdict> {
    return this.run(who, limits, 0);
  }

  private async run(who: string, limits: Limits, cost: number): Promise<LimitVerdict> {
    const limited = WINDOWS.filter((window) => limits[window] > 0);
    if (limited.length === 0) return { allowed: true, counted: true, windows: [] };
    const keys = limited.map((window) => `${this.prefix}:{sign-limit-${who}}:${window}`);
    const args = limited.flatMap((window) => [limits[window], LENGTH_MS[window]]);
    const answer = await this.redis.ask((redis) => takeScript.run(redis, keys, [...args, cost]));
    if (answer === undefined) return { allowed: true, counted: false, windows: [] };
    const [full, ...numbers] = answer as number[];
    const windows = limited.map((window, index) => {
      const max = limits[window];
      return { window, max, remaining: Math.max(0, max - (numbers[2 * index] ?? 0)), resetMs: numbers[2 * index + 1] ?? 0 };
    });
    return { allowed: full !== 1, counted: true, windows };
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
