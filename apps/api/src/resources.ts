import {
  Global,
  Inject,
  Injectable,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import {
  Config,
  createPool,
  createRedis,
  type Logger,
  Metrics,
  Peers,
  Readiness,
  OptionalRedis,
  SharedBuckets,
  SharedSlots,
  WrongKeys,
} from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { fairPool, queueOfCallers } from './store/pool/fair-pool.js';
import { measureQueue } from './store/pool/fair-queue.js';

/** Injection tokens of what one api process has exactly once. `Config`, `Metrics` and `Readiness` are their own tokens. */
export const LOGGER = Symbol('logger');
/** Connections for plain requests, which take turns by key. */
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

/** Has the limits that all processes share kept up, where requests are answered. */
@Injectable()
class SharedLimitsLife implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly config: Config,
    private readonly peers: Peers,
    private readonly slots: SharedSlots,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.apiRoles.includes('http')) return;
    this.peers.start();
    this.slots.start();
  }

  onModuleDestroy(): void {
    this.peers.stop();
    this.slots.stop();
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
        {
          provide: POOL,
          useFactory: (metrics: Metrics) => {
            const queue = queueOfCallers(config.databasePoolMax);
            measureQueue(queue, metrics, 'queries', 'Statements and transactions of plain requests');
            return fairPool(createPool(config.databaseUrl, logger, { name: 'api', max: config.databasePoolMax }), queue);
          },
          inject: [Metrics],
        },
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
        { provide: OptionalRedis, useFactory: (redis: Redis) => new OptionalRedis(redis, logger), inject: [REDIS] },
        {
          provide: Peers,
          useFactory: (optionalRedis: OptionalRedis) => new Peers(optionalRedis, config.redisPrefix, 'api'),
          inject: [OptionalRedis],
        },
        ...[SharedBuckets, SharedSlots].map((shared) => ({
          provide: shared,
          useFactory: (optionalRedis: OptionalRedis, peers: Peers) => new shared(optionalRedis, peers, config.redisPrefix),
          inject: [OptionalRedis, Peers],
        })),
        {
          provide: WrongKeys,
          useFactory: (optionalRedis: OptionalRedis, peers: Peers, registry: Metrics) =>
            new WrongKeys({ optionalRedis, peers, prefix: config.redisPrefix, perMinute: config.wrongKeysPerMinute, registry, logger }),
          inject: [OptionalRedis, Peers, Metrics],
        },
        SharedLimitsLife,
        Readiness,
        Closing,
      ],
      exports: [
        SharedBuckets,
        SharedSlots,
        WrongKeys,
        Config,
        LOGGER,
        POOL,
        STORE_POOL,
        SEARCH_POOL,
        WEBHOOK_POOL,
        REDIS,
        Metrics,
        Readiness,
      ],
    };
  }
}
