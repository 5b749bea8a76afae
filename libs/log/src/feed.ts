import type { StoredEvent } from '@tributary/events';
import type { Redis } from 'ioredis';
import type { LogKeys } from './log-keys.js';
import { inboxBytes } from './redis-limits.js';

/** One commit of the store: the events that it made permanent, in log order. `after` is the head before, `to` the head after it. */
export interface FeedBatch {
  generation: number;
  after: number;
  to: number;
  events: StoredEvent[];
}

/** The feed's size is measured again after this share of its bound was published, or after this many ms. */
const GROWTH_SHARE = 1 / 8;
const WEIGH_MS = 5_000;

/** Writes commits to the feed. The feed only makes live reading fast: PostgreSQL alone decides what exists. */
export class FeedWriter {
  private grownBytes = 0;
  private weighed = { at: -Infinity, bytesMax: 0 };

  constructor(
    private readonly redis: Redis,
    private readonly keys: LogKeys,
    private readonly lengthMax: number,
  ) {}

  /** `events` is the JSON array of the batch's events: the writer has it as text already. */
  async publish(batch: Omit<FeedBatch, 'events'>, events: string): Promise<void> {
    const { generation, after, to } = batch;
    const results = await this.redis
      .pipeline()
      .xadd(this.keys.feed, 'MAXLEN', '~', this.lengthMax, '*', 'generation', generation, 'after', after, 'to', to, 'events', events)
      .set(this.keys.head, `${generation} ${to}`)
      .exec();
    this.grownBytes += Buffer.byteLength(events);
    const failed = results?.find(([error]) => error)?.[0];
    if (failed) throw failed;
  }

  /**
   * Keeps the feed within an eighth of Redis's memory: batches differ in size a hundredfold, and their number alone bounds nothing.
   * Cheap to call after each commit: it measures only when the feed may have grown by much.
   */
  async trim(): Promise<void> {
    const hasGrown = this.weighed.bytesMax > 0 && this.grownBytes > this.weighed.bytesMax * GROWTH_SHARE;
    if (!hasGrown && performance.now() - this.weighed.at < WEIGH_MS) return;
    const bytesMax = Math.floor((await inboxBytes(this.redis, 0)) / 4);
    this.weighed = { at: performance.now(), bytesMax };
    this.grownBytes = 0;
    if (bytesMax === 0) return;
    for (;;) {
      // SAMPLES 0 counts every entry: samples would be wrong by a multiple, since sizes differ. The feed has a few thousand entries.
      const bytes = Number((await this.redis.memory('USAGE', this.keys.feed, 'SAMPLES', 0)) ?? 0);
      const length = await this.redis.xlen(this.keys.feed);
      if (bytes <= bytesMax || length <= 1) return;
      await this.redis.xtrim(this.keys.feed, 'MAXLEN', Math.floor((length * bytesMax) / bytes / 2));
    }
  }

  /** The newest commit this Redis has seen; undefined after a wipe. */
  async newest(): Promise<{ generation: number; seq: number } | undefined> {
    const text = await this.redis.get(this.keys.head);
    const [generation, seq] = (text ?? '').split(' ').map(Number);
    return generation !== undefined && seq !== undefined && seq >= 0 ? { generation, seq } : undefined;
  }
}

/** Reads the feed from now on. It needs a connection of its own: it blocks. */
export class FeedReader {
  private lastId = '$';

  constructor(
    private readonly redis: Redis,
    private readonly keys: LogKeys,
    private readonly blockMs: number,
  ) {}

  /** The next commits; empty when none came within `blockMs`. */
  async read(): Promise<FeedBatch[]> {
    if (this.lastId === '$') this.lastId = (await this.redis.xrevrange(this.keys.feed, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0-0';
    const answer = await this.redis.xread('COUNT', 50, 'BLOCK', this.blockMs, 'STREAMS', this.keys.feed, this.lastId);
    if (!answer) {
      await this.noticeWipe();
      return [];
    }
    const rows = answer[0]?.[1] ?? [];
    this.lastId = rows.at(-1)?.[0] ?? this.lastId;
    return rows.flatMap(([, flat]) => {
      const batch = parse(flat);
      return batch ? [batch] : [];
    });
  }

  /** A stream that was wiped starts at lower ids: XREAD would stay silent for ever. */
  private async noticeWipe(): Promise<void> {
    const [newest] = await this.redis.xrevrange(this.keys.feed, '+', '-', 'COUNT', 1);
    if (!newest || newest[0] === this.lastId) {
      if (!newest) this.lastId = '0-0';
      return;
    }
    const [ms = 0, seq = 0] = newest[0].split('-').map(Number);
    const [lastMs = 0, lastSeq = 0] = this.lastId.split('-').map(Number);
    if (ms < lastMs || (ms === lastMs && seq < lastSeq)) this.lastId = '0-0';
  }
}

/** A batch that cannot be read is skipped: its reader notices the missing `after` and asks PostgreSQL. */
function parse(flat: string[]): FeedBatch | undefined {
  const fields = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2) fields.set(flat[i]!, flat[i + 1]!);
  try {
    const events = JSON.parse(fields.get('events') ?? '') as StoredEvent[];
    const [generation, after, to] = ['generation', 'after', 'to'].map((name) => Number(fields.get(name)));
    if (!Array.isArray(events) || ![generation, after, to].every(Number.isSafeInteger)) return undefined;
    return { generation: generation!, after: after!, to: to!, events };
  } catch {
    return undefined;
  }
}
