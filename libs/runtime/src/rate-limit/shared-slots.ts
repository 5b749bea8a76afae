import { randomUUID } from 'node:crypto';
import { LuaScript } from '../lua-script.js';
import type { Peers } from './peers.js';
import type { OptionalRedis } from '../redis/optional-redis.js';

const HELD_MS = 15_000;
const RENEW_MS = 5_000;
/** Ids in one command. */
const RENEWED_MAX = 1_000;
const takeScript = new LuaScript(new URL('./take-slot.lua', import.meta.url));
const holdScript = new LuaScript(new URL('./hold-slots.lua', import.meta.url));

/**
 * Slots that an owner has over all processes, such as the open streams of a key. The slots of a process that dies are free within 15 s.
 * While Redis is away each process gives an owner its share of them.
 */
export class SharedSlots {
  private readonly held = new Map<string, Set<string>>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly optionalRedis: OptionalRedis,
    private readonly peers: Peers,
    /** First part of the Redis keys; the owner follows. */
    private readonly prefix: string,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.renew(), RENEW_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Places that an owner has taken here. */
  countOf(owner: string): number {
    return this.held.get(owner)?.size ?? 0;
  }

  /** Takes a place. @returns what gives it back, or undefined when the owner has taken all `max` of them */
  async take(owner: string, max: number): Promise<(() => void) | undefined> {
    const id = randomUUID();
    const here = this.held.get(owner) ?? new Set();
    // Counted before Redis is asked: others may ask meanwhile.
    this.held.set(owner, here.add(id));
    const answer =
      here.size > max ? 0 : await this.optionalRedis.ask((redis) => takeScript.run(redis, [this.keyOf(owner)], [max, HELD_MS, id]));
    const isTaken = answer === undefined ? here.size <= this.peers.share(max) : answer === 1;
    if (!isTaken) {
      this.forget(owner, id);
      return undefined;
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.forget(owner, id);
      void this.optionalRedis.ask((redis) => redis.zrem(this.keyOf(owner), id));
    };
  }

  /** Holds on to every place that this process has taken. */
  async renew(): Promise<void> {
    for (const [owner, all] of this.held) {
      const ids = [...all];
      for (let from = 0; from < ids.length; from += RENEWED_MAX) {
        const some = ids.slice(from, from + RENEWED_MAX);
        const answer = await this.optionalRedis.ask((redis) => holdScript.run(redis, [this.keyOf(owner)], [HELD_MS, ...some]));
        if (answer === undefined) return;
      }
    }
  }

  private forget(owner: string, id: string): void {
    const here = this.held.get(owner);
    here?.delete(id);
    if (here?.size === 0) this.held.delete(owner);
  }

  private keyOf(owner: string): string {
    return `${this.prefix}:{slots-${owner}}`;
  }
}
