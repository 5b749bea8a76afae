import type { Registry } from 'prom-client';
import { Counter } from 'prom-client';
import type { Logger } from '../process/logging.js';
import { LuaScript } from '../lua-script.js';
import { addressOf } from './address.js';
import { LocalBuckets } from './local-buckets.js';
import type { Peers } from './peers.js';
import type { OptionalRedis } from '../redis/optional-redis.js';

const PERIOD_MS = 60_000;
/** The same wrong key is a client that was not told of a new one, not a guess. */
const REPEATS = 10;
const LOCAL_MAX = 10_000;
/**
 * Guesses that one process records in Redis in a minute. Whoever has many addresses would otherwise fill it: beyond this the process
 * counts by itself, in bounded memory.
 */
const RECORDED_MAX = 20_000;
/** How long a key that was used from an address is known there, and from how many addresses. */
const USED_MS = 86_400_000;
const USED_ADDRESSES_MAX = 200;
/** How often a process notes that again, and how soon after Redis did not take it. */
const USED_AGAIN_MS = 3_600_000;
const USED_RETRY_MS = 10_000;
const LOG_MS = 60_000;
const chargeScript = new LuaScript(new URL('./wrong-key.lua', import.meta.url));
const useScript = new LuaScript(new URL('./use-key.lua', import.meta.url));

export interface WrongKeysOptions {
  optionalRedis: OptionalRedis;
  peers: Peers;
  prefix: string;
  /** Different wrong keys that one address may try in a minute; 0 is no limit. */
  perMinute: number;
  registry: Registry;
  logger: Pick<Logger, 'warn'>;
  now?: () => number;
}

/**
 * Slows whoever guesses keys: by address, over all processes, and by each process alone while Redis is away. An address that has
 * tried too many different keys waits a few seconds between two of them. Keys that were used from there before go on working, so
 * that one guesser behind a shared address locks nobody out; no other address is concerned.
 */
export class WrongKeys {
  private readonly local: LocalBuckets;
  /** When each address that must wait may try again. */
  private readonly waiting = new Map<string, number>();
  /** Until when a wrong key counts as tried before, by address and key; while Redis is away. */
  private readonly tried = new Map<string, number>();
  /** When this process last noted in Redis that a key is used from an address, by both. */
  private readonly used = new Map<string, number>();
  private readonly counter: Counter<'result'>;
  private readonly now: () => number;
  private loggedAt = -Infinity;
  /** Guesses recorded in Redis since `recordedFrom`. */
  private recorded = 0;
  private recordedFrom = -Infinity;

  constructor(private readonly options: WrongKeysOptions) {
    this.now = options.now ?? Date.now;
    this.local = new LocalBuckets(LOCAL_MAX, this.now);
    this.counter = new Counter({
      name: 'tributary_wrong_keys_total',
      help: 'Requests with a wrong key: refused, or slowed because their address has tried too many',
      labelNames: ['result'],
      registers: [options.registry],
    });
  }

  /** ms for which an address as a whole must wait, as far as this process knows; 0 when it need not. */
  waitMs(ip: string): number {
    const until = this.waiting.get(addressOf(ip));
    return until === undefined ? 0 : Math.max(0, until - this.now());
  }

  /**
   * Charges an address for a wrong key.
   * @param keyHash of what was sent, so that it is kept nowhere
   * @returns ms to wait before the next try; 0 when this one was in bounds, and is refused as an unknown key
   */
  async charge(ip: string, keyHash: string): Promise<number> {
    const { perMinute, optionalRedis, prefix } = this.options;
    const address = addressOf(ip);
    const known = this.waitMs(ip);
    let waitMs = known;
    if (perMinute > 0 && known === 0) {
      const key = keyHash.slice(0, 16);
      const keys = [`${prefix}:{wrong-key-${address}}`, `${prefix}:{wrong-key-${address}}:${key}`];
      const limits = [PERIOD_MS, perMinute, perMinute * REPEATS];
      const answer = this.mayRecord() ? await optionalRedis.ask((redis) => chargeScript.run(redis, keys, limits)) : undefined;
      const [wait = 0, whole = 0] = answer === undefined ? this.chargeHere(address, key) : (answer as number[]);
      waitMs = wait;
      if (whole === 1) this.makeWait(address, wait);
    }
    this.counter.inc({ result: waitMs > 0 ? 'slowed' : 'refused' });
    return waitMs;
  }

  /**
   * Notes that a right key is used from an address.
   * @returns ms to wait, where the address must and the key was not used from there before; 0 otherwise
   */
  async admit(ip: string, keyId: string): Promise<number> {
    if (this.admitsAtOnce(ip, keyId)) return 0;
    const address = addressOf(ip);
    const waitMs = this.waitMs(ip);
    const pair = `${address} ${keyId}`;
    if (waitMs > 0 && !this.used.has(pair) && !(await this.wasUsed(address, keyId))) {
      this.counter.inc({ result: 'slowed' });
      return waitMs;
    }
    if (this.used.size >= LOCAL_MAX) this.used.delete(this.used.keys().next().value!);
    this.used.set(pair, this.now());
    void this.noteUse(address, keyId, pair);
    return 0;
  }

  /** Whether a right key needs no {@link admit} now: this process has noted its use from the address a short while ago. */
  admitsAtOnce(ip: string, keyId: string): boolean {
    const notedAt = this.used.get(`${addressOf(ip)} ${keyId}`);
    return notedAt !== undefined && this.now() - notedAt <= USED_AGAIN_MS;
  }

  private async noteUse(address: string, keyId: string, pair: string): Promise<void> {
    const args = [address, USED_MS, USED_ADDRESSES_MAX];
    const answer = await this.options.optionalRedis.ask((redis) => useScript.run(redis, [this.addressesOf(keyId)], args));
    if (answer === undefined && this.used.has(pair)) this.used.set(pair, this.now() - USED_AGAIN_MS + USED_RETRY_MS);
  }

  private async wasUsed(address: string, keyId: string): Promise<boolean> {
    const at = await this.options.optionalRedis.ask((redis) => redis.zscore(this.addressesOf(keyId), address));
    return typeof at === 'string' && Number(at) > this.now() - USED_MS;
  }

  private addressesOf(keyId: string): string {
    return `${this.options.prefix}:{used-key-${keyId}}`;
  }

  private mayRecord(): boolean {
    const now = this.now();
    if (now - this.recordedFrom > PERIOD_MS) [this.recorded, this.recordedFrom] = [0, now];
    return ++this.recorded <= RECORDED_MAX;
  }

  private chargeHere(address: string, key: string): [number, number] {
    const { peers, perMinute } = this.options;
    const own = `${address} ${key}`;
    const repeats = { limit: peers.share(perMinute * REPEATS), periodMs: PERIOD_MS };
    const now = this.now();
    const isRepeated = (this.tried.get(own) ?? 0) > now;
    const { retryMs } = isRepeated
      ? this.local.take(own, repeats)
      : this.local.take(address, { limit: peers.share(perMinute), periodMs: PERIOD_MS });
    if (retryMs > 0) return [retryMs, isRepeated ? 0 : 1];
    if (this.tried.size >= LOCAL_MAX) this.tried.delete(this.tried.keys().next().value!);
    this.tried.set(own, now + PERIOD_MS);
    return [0, 0];
  }

  private makeWait(address: string, ms: number): void {
    const now = this.now();
    if (this.waiting.size >= LOCAL_MAX) for (const [one, until] of this.waiting) if (until <= now) this.waiting.delete(one);
    if (this.waiting.size >= LOCAL_MAX) this.waiting.clear();
    this.waiting.set(address, now + ms);
    if (now - this.loggedAt < LOG_MS) return;
    this.loggedAt = now;
    this.options.logger.warn({ address }, 'an address tries many wrong keys, and is slowed');
  }
}
