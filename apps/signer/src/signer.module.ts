import { type DynamicModule, Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Config, createRedis, HealthController, KeyProjection, type Logger, Metrics, Readiness } from '@tributary/runtime';
import { RoomResolver } from '@tributary/webcast';
import type { Redis } from 'ioredis';
import { AccessGuard, KeyCache } from './http/access.js';
import { AccountsController } from './http/accounts.controller.js';
import { SignFilter } from './http/answer.js';
import { ConnectController } from './http/connect.controller.js';
import { OtherRoutesController } from './http/other-routes.controller.js';
import { ProvidersController } from './http/providers.controller.js';
import { RoomFinder } from './http/rooms.js';
import { RoomsController } from './http/rooms.controller.js';
import { SigningController } from './http/signing.controller.js';
import { addWideLog } from './http/wide-log.js';
import { ProviderChain } from './providers/chain.js';
import { SignMetrics } from './providers/metrics.js';
import { makeProviders, remoteSigner } from './providers/registry.js';
import { Hosts } from './tiktok/hosts.js';
import { Upstream } from './tiktok/upstream.js';

const LOGGER = Symbol('logger');
const REDIS = Symbol('Redis client for commands');

/** A live page has about 400 KB, a connect bundle 60. */
const UPSTREAM_BODY_BYTES_MAX = 4_194_304;
const UPSTREAM_CONNECTIONS_MAX = 128;
/** A breaker opens after this many failures in a row, for 2 s to 5 min. */
const BREAKER = { failuresMax: 5, open: { firstMs: 2_000, maxMs: 300_000 } };
/** A client that takes longer to send its request is cut off. */
const REQUEST_MS_MAX = 10_000;

@Injectable()
class Closing implements OnApplicationShutdown {
  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(Upstream) private readonly upstream: Upstream,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.redis.disconnect();
    await this.upstream.close();
  }
}

/** Everything the signer consists of. */
@Module({})
export class SignerModule {
  static of(config: Config, logger: Logger): DynamicModule {
    return {
      module: SignerModule,
      controllers: [
        HealthController,
        ConnectController,
        RoomsController,
        SigningController,
        AccountsController,
        ProvidersController,
        OtherRoutesController,
      ],
      providers: [
        { provide: Config, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: Metrics, useFactory: () => new Metrics('signer') },
        { provide: SignMetrics, useFactory: (metrics: Metrics) => new SignMetrics(metrics), inject: [Metrics] },
        { provide: REDIS, useFactory: () => createRedis(config.redisUrl, logger, { name: 'signer' }) },
        {
          provide: KeyCache,
          useFactory: (redis: Redis) => new KeyCache(new KeyProjection(redis, config.redisPrefix), logger),
          inject: [REDIS],
        },
        { provide: Hosts, useFactory: () => new Hosts([config.tiktokWebUrl, config.tiktokWebcastUrl]) },
        {
          provide: Upstream,
          useFactory: (hosts: Hosts) =>
            new Upstream(hosts, { bodyBytesMax: UPSTREAM_BODY_BYTES_MAX, connectionsMax: UPSTREAM_CONNECTIONS_MAX }),
          inject: [Hosts],
        },
        {
          provide: ProviderChain,
          useFactory: (upstream: Upstream, metrics: SignMetrics) =>
            new ProviderChain({
              providers: makeProviders(config, upstream),
              budgetMs: config.signBudgetMs,
              timeoutMs: config.signTimeoutMs,
              breaker: BREAKER,
              metrics,
              logger,
            }),
          inject: [Upstream, SignMetrics],
        },
        { provide: RoomFinder, useFactory: () => new RoomFinder(roomResolver(config)) },
        {
          provide: Readiness,
          useFactory: (chain: ProviderChain) => {
            const readiness = new Readiness();
            readiness.add('providers', () => chain.blockage());
            return readiness;
          },
          inject: [ProviderChain],
        },
        AccessGuard,
        Closing,
      ],
    };
  }
}

/** What the application needs beside the module: answers in the clients' shape, one log line per request, a limit for slow clients. */
export async function prepareSigner(app: NestFastifyApplication, _config: Config, logger: Logger): Promise<void> {
  app.useGlobalFilters(new SignFilter(logger));
  addWideLog(app.getHttpAdapter().getInstance(), logger, app.get(SignMetrics));
  app.getHttpServer().requestTimeout = REQUEST_MS_MAX;
}

function roomResolver(config: Config): RoomResolver {
  const remote = config.signProviders.includes('remote') ? remoteSigner(config) : undefined;
  return new RoomResolver({
    webUrl: config.tiktokWebUrl,
    webcastUrl: config.tiktokWebcastUrl,
    userAgent: config.signUserAgent,
    timeoutMs: config.signTimeoutMs,
    ...(remote ? { signRoomId: (uniqueId, signal) => remote.roomId(uniqueId, signal) } : {}),
  });
}
