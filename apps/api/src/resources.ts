import { Global, Inject, Injectable, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { Config, createPool, createRedis, type Logger, Metrics, Readiness } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type pg from 'pg';

/** Injection tokens of what one api process has exactly once. `Config`, `Metrics` and `Readiness` are their own tokens. */
export const LOGGER = Symbol('logger');
export const POOL = Symbol('PostgreSQL pool');
/** Connections of the store role's own: readers must not be able to keep it waiting. */
export const STORE_POOL = Symbol('PostgreSQL pool of the store role');
/** Connections for what may read much of the log, a few. */
export const SEARCH_POOL = Symbol('PostgreSQL pool of searches');
/** Connections of webhooks' own: deliveries do not wait for requests. */
export const WEBHOOK_POOL = Symbol('PostgreSQL pool of webhooks');
export const REDIS = Symbol('Redis client for commands');

/** The writer, the aggregates, the rooms that nobody watches, the day partitions, the building of indexes and the clean-up, one each. */
const STORE_CONNECTIONS = 6;
/** Three readers that catch up; positions, results, events of retries, claims and upkeep, one each. */
const WEBHOOK_CONNECTIONS = 8;

@Injectable()
class Closing implements OnApplicationShutdown {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(STORE_POOL) private readonly storePool: pg.Pool,
    @Inject(SEARCH_POOL) private readonly searchPool: pg.Pool,
    @Inject(WEBHOOK_POOL) private readonly webhookPool: pg.Pool,
    @Inject(REDIS) private readonly redis: Redis,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.redis.disconnect();
    await Promise.all([this.pool, this.storePool, this.searchPool, this.webhookPool].map((pool) => pool.end()));
  }
}

/** Configuration, logger, clients, health: visible in every module of the process, closed after all of them. */
@Global()
@Module({})
export class ResourcesModule {
  static of(config: Config, logger: Logger): DynamicModule {
    return {
      module: ResourcesModule,
      providers: [
        { provide: Config, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: POOL, useFactory: () => createPool(config.databaseUrl, logger, { name: 'api', max: config.databasePoolMax }) },
        // Connects only where the store role uses it.
        { provide: STORE_POOL, useFactory: () => createPool(config.databaseUrl, logger, { name: 'store', max: STORE_CONNECTIONS }) },
        {
          provide: SEARCH_POOL,
          useFactory: () => createPool(config.databaseUrl, logger, { name: 'search', max: config.databaseSearchesMax }),
        },
        {
          provide: WEBHOOK_POOL,
          useFactory: () => createPool(config.databaseUrl, logger, { name: 'webhooks', max: WEBHOOK_CONNECTIONS }),
        },
        { provide: REDIS, useFactory: () => createRedis(config.redisUrl, logger, { name: 'api' }) },
        { provide: Metrics, useFactory: () => new Metrics('api') },
        Readiness,
        Closing,
      ],
      exports: [Config, LOGGER, POOL, STORE_POOL, SEARCH_POOL, WEBHOOK_POOL, REDIS, Metrics, Readiness],
    };
  }
}
