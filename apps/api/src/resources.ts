import { Global, Inject, Injectable, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { Config, createPool, createRedis, type Logger, Metrics, Readiness } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type pg from 'pg';

/** Injection tokens of what one api process has exactly once. `Config`, `Metrics` and `Readiness` are their own tokens. */
export const LOGGER = Symbol('logger');
export const POOL = Symbol('PostgreSQL pool');
export const REDIS = Symbol('Redis client for commands');

@Injectable()
class Closing implements OnApplicationShutdown {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(REDIS) private readonly redis: Redis,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.redis.disconnect();
    await this.pool.end();
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
        { provide: REDIS, useFactory: () => createRedis(config.redisUrl, logger, { name: 'api' }) },
        { provide: Metrics, useFactory: () => new Metrics('api') },
        Readiness,
        Closing,
      ],
      exports: [Config, LOGGER, POOL, REDIS, Metrics, Readiness],
    };
  }
}
