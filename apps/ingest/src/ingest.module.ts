import { type DynamicModule, Inject, Injectable, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { inboxBytes } from '@tributary/log';
import { Config, createRedis, HealthController, type Logger, Metrics, Readiness } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import { Worker } from './worker.js';

export const LOGGER = Symbol('logger');
export const REDIS = Symbol('Redis client for leases, projection and boards');
const INBOX_REDIS = Symbol('Redis client for the inbox');

/** Ties the worker to the life of the process. */
@Injectable()
class WorkerLife implements OnApplicationBootstrap, OnApplicationShutdown {
  private worker: Worker | undefined;

  constructor(
    @Inject(Config) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) private readonly metrics: Metrics,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(INBOX_REDIS) private readonly inboxRedis: Redis,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { config, logger, metrics, readiness, redis, inboxRedis } = this;
    const inboxBytesMax = await inboxBytes(redis, config.inboxBytesMax);
    this.worker = new Worker({ config, logger, metrics, readiness, redis, inboxRedis, inboxBytesMax });
    this.worker.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.worker?.stop();
    this.redis.disconnect();
    this.inboxRedis.disconnect();
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
        WorkerLife,
      ],
    };
  }
}
