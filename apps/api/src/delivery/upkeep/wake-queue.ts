import { type Logger, reasonOf } from '@tributary/runtime';
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';

export interface WakeQueueOptions {
  /** Client for commands. */
  redis: Redis;
  /** Client of its own for the worker, which blocks; missing where this process only wakes others. */
  blocking?: Redis;
  /** First part of every Redis key. */
  prefix: string;
  logger: Logger;
}

const QUEUE = 'webhook-wakes';
/** Wakes of one endpoint within this time are one: a lost job holds nothing back for longer. */
const DEDUPE_MS = 2_000;
const CONCURRENCY = 20;
/** How long the worker blocks, in seconds: less than a Redis client takes a silent server for gone. */
const BLOCK_S = 2;

/**
 * Spreads wake-ups of endpoints over the processes that run webhooks, with BullMQ. A wake-up is a hint: it may be lost
 * with all of Redis, and the sweeper makes up for it.
 */
export class WakeQueue {
  private readonly queue: Queue<{ endpoint: string }>;
  private worker: Worker<{ endpoint: string }> | undefined;
  private paused = false;
  private lost = false;

  constructor(private readonly options: WakeQueueOptions) {
    this.queue = new Queue(QUEUE, { connection: options.redis, prefix: this.prefix, skipVersionCheck: true });
    this.queue.on('error', (error) => this.reportLoss(error));
  }

  /** Wakes endpoints somewhere; false when Redis did not take it. */
  async wake(endpoints: readonly string[]): Promise<boolean> {
    if (endpoints.length === 0) return true;
    if (this.options.redis.status !== 'ready') return false;
    try {
      await this.queue.addBulk(
        endpoints.map((endpoint) => ({
          name: 'wake',
          data: { endpoint },
          opts: { deduplication: { id: endpoint, ttl: DEDUPE_MS }, removeOnComplete: true, removeOnFail: true },
        })),
      );
      this.lost = false;
      return true;
    } catch (error) {
      this.reportLoss(error);
      return false;
    }
  }

  /** Calls `handle` for each wake-up that comes to this process. */
  process(handle: (endpoint: string) => Promise<void>): void {
    if (!this.options.blocking) throw new Error('this process has no client for a worker of wake-ups');
    this.worker = new Worker<{ endpoint: string }>(QUEUE, async ({ data }) => handle(data.endpoint), {
      connection: this.options.blocking,
      prefix: this.prefix,
      concurrency: CONCURRENCY,
      drainDelay: BLOCK_S,
      skipVersionCheck: true,
    });
    this.worker.on('error', (error) => this.reportLoss(error));
  }

  /** Lets wake-ups go to other processes, or come here again. */
  async accept(open: boolean): Promise<void> {
    if (!this.worker || this.paused === !open) return;
    this.paused = !open;
    if (open) void this.worker.resume();
    else await this.worker.pause(true);
  }

  async close(): Promise<void> {
    // Forced: handlers are short, and a worker that blocks on a dead connection would wait for it.
    await this.worker?.close(true);
    await this.queue.close();
    this.options.blocking?.disconnect();
  }

  /** A hash tag puts all keys of the queue into one slot of a Redis Cluster. */
  private get prefix(): string {
    return `{${this.options.prefix}-bull}`;
  }

  private reportLoss(error: unknown): void {
    if (!this.lost)
      this.options.logger.warn({ reason: reasonOf(error) }, 'webhook wake-ups cannot use Redis; the sweeper goes on without it');
    this.lost = true;
  }
}
