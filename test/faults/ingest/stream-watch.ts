import { setTimeout as delay } from 'node:timers/promises';
import { LogKeys } from '@tributary/log';
import { Redis } from 'ioredis';

/** As the processes of a stack have them by default. */
const PREFIX = 'tributary';
const PARTITIONS = 8;
const EVERY_MS = 500;
const ENTRIES_MAX = 5_000;
const TIMEOUT_MS = 2_000;

type Entry = [id: string, fields: string[]];

/** Reads the inbox as an outside program would, from its beginning, and counts the events that stand in it more than once. */
export class StreamWatch {
  entries = 0;
  duplicates = 0;
  private readonly seen = new Set<string>();
  private readonly keys = new LogKeys(PREFIX, PARTITIONS);
  private readonly positions = Array.from({ length: PARTITIONS }, () => '0-0');
  private readonly epochs: (string | null)[] = Array.from({ length: PARTITIONS }, () => null);
  private readonly stopping = new AbortController();
  private readonly redis: Redis;
  private readonly running: Promise<void>;

  constructor(url: string) {
    this.redis = new Redis(url, { retryStrategy: () => EVERY_MS, maxRetriesPerRequest: 0, commandTimeout: TIMEOUT_MS });
    // Its Redis is killed again and again; each read that fails is made again.
    this.redis.on('error', () => undefined);
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    this.redis.disconnect();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const isMore = await this.read().catch(() => false);
      if (!isMore) await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Reads what is new; whether there may be more. */
  private async read(): Promise<boolean> {
    const partitions = this.positions.map((_, partition) => partition);
    const answers = await this.redis
      .multi()
      .mget(partitions.map((partition) => this.keys.epoch(partition)))
      .xread('COUNT', ENTRIES_MAX, 'STREAMS', ...partitions.map((partition) => this.keys.inbox(partition)), ...this.positions)
      .exec();
    const epochs = answers?.[0]?.[1] as (string | null)[] | undefined;
    if (!epochs) return false;
    const streams = new Map((answers?.[1]?.[1] as [string, Entry[]][] | null) ?? []);
    let isMore = false;
    for (const partition of partitions) {
      // After a wipe the stream begins anew, with ids that may be lower.
      if (epochs[partition] !== this.epochs[partition]) {
        this.epochs[partition] = epochs[partition] ?? null;
        this.positions[partition] = '0-0';
        isMore = true;
        continue;
      }
      const entries = streams.get(this.keys.inbox(partition)) ?? [];
      for (const [id, fields] of entries) {
        this.positions[partition] = id;
        this.count(fields[fields.indexOf('id') + 1] ?? '');
      }
      isMore ||= entries.length === ENTRIES_MAX;
    }
    return isMore;
  }

  private count(event: string): void {
    this.entries += 1;
    if (this.seen.has(event)) this.duplicates += 1;
    else this.seen.add(event);
  }
}
