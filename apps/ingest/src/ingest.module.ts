import { type DynamicModule, Inject, Injectable, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { disagreementOnPartitions, inboxBytes, LogKeys } from '@tributary/log';
import {
  backoffMs,
  Config,
  createRedis,
  HealthController,
  type Logger,
  Metrics,
  pause,
  Readiness,
  reasonOf,
  waitForRedis,
} from '@tributary/runtime';
import type { Redis } from 'ioredis';
import { Worker } from './worker.js';

const LOGGER = Symbol('logger');
const REDIS = Symbol('Redis client for leases, projection, statuses and offers');
const INBOX_REDIS = Symbol('Redis client for the inbox');
const SUBSCRIBER = Symbol('Redis client for subscriptions');

/** Starts and stops the worker with the process. */
@Injectable()
class WorkerLifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  private worker: Worker | undefined;
  private readonly stopping = new AbortController();

  constructor(
    private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: Metrics,
    private readonly readiness: Readiness,
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(INBOX_REDIS) private readonly inboxRedis: Redis,
    @Inject(SUBSCRIBER) private readonly subscriber: Redis,
  ) {}

  /**
   * Waits for Redis, checks the configuration against what Redis holds, and starts the worker.
   * @throws Error with one sentence when the configuration does not fit.
   */
  async onApplicationBootstrap(): Promise<void> {
    const { config, logger, metrics, readiness, redis, inboxRedis, subscriber } = this;
    const facts = await this.readFacts();
    if (!facts) return;
    if (facts.disagreement) throw new Error(facts.disagreement);
    this.worker = new Worker({ config, logger, metrics, readiness, redis, inboxRedis, subscriber, inboxBytesMax: facts.inboxBytesMax });
    this.worker.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.worker?.stop();
    this.redis.disconnect();
    this.inboxRedis.disconnect();
    this.subscriber.disconnect();
  }

  /** Reads what only Redis knows; tries until Redis answers. Undefined when the process stops before. */
  private async readFacts(): Promise<{ disagreement: string | undefined; inboxBytesMax: number } | undefined> {
    const { config, logger, redis, stopping } = this;
    for (let tries = 0; await waitForRedis(redis, logger, stopping.signal); tries += 1) {
      try {
        const disagreement = await disagreementOnPartitions(redis, new LogKeys(config.redisPrefix, config.partitions));
        return { disagreement, inboxBytesMax: await inboxBytes(redis, config.inboxBytesMax) };
      } catch (error) {
        logger.warn({ reason: reasonOf(error) }, 'Redis did not answer; trying again');
        await pause(backoffMs(tries, { firstMs: 100, maxMs: 5_000 }), stopping.signal);
      }
    }
    return undefined;
  }
}

/** One ingest worker with health and metrics. */
@Module({})
export class IngestModule {
  static of(config: Config, logger: Logger): DynamicModule {
    return {
      module: IngestModule,
      controllers: [HealthController],
      providers: [
        { provide: Config, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: Metrics, useValue: new Metrics('ingest') },
        Readiness,
        { provide: REDIS, useFactory: () => createRedis(config.redisUrl, logger, { name: 'ingest' }) },
        { provide: INBOX_REDIS, useFactory: () => createRedis(config.redisUrl, logger, { name: 'ingest-inbox' }) },
        { provide: SUBSCRIBER, useFactory: () => createRedis(config.redisUrl, logger, { name: 'ingest-wake' }) },
        WorkerLifecycle,
      ],
    };
  }
}
