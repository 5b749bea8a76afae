import { randomUUID } from 'node:crypto';
import { LuaScript } from '../lua-script.js';
import type { OptionalRedis } from '../redis/optional-redis.js';

const BEAT_MS = 5_000;
/** A process that is silent for three beats is not counted. */
const GONE_MS = 15_000;
const script = new LuaScript(new URL('./count-peers.lua', import.meta.url));

/**
 * How many processes of one kind there are, as far as Redis last answered: while it is away each of them keeps to its share of what all
 * may do together.
 */
export class Peers {
  private readonly id = randomUUID();
  private timer: NodeJS.Timeout | undefined;
  private counted = 1;

  /** @param kind such as `api` */
  constructor(
    private readonly optionalRedis: OptionalRedis,
    private readonly prefix: string,
    private readonly kind: string,
  ) {}

  get count(): number {
    return this.counted;
  }

  /** This process's share of a limit, at least 1. */
  share(limit: number): number {
    return Math.max(1, Math.floor(limit / this.counted));
  }

  start(): void {
    this.timer = setInterval(() => void this.beat(), BEAT_MS);
    this.timer.unref();
    void this.beat();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Says that this process lives, and learns of the others. */
  async beat(): Promise<void> {
    const count = await this.optionalRedis.ask((redis) => script.run(redis, [`${this.prefix}:peers:${this.kind}`], [this.id, GONE_MS]));
    if (typeof count === 'number') this.counted = Math.max(1, count);
  }
}
