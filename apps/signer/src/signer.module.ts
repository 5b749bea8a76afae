import { type DynamicModule, Inject, Injectable, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  Config,
  createRedis,
  HealthController,
  KeyProjection,
  type Logger,
  Metrics,
  Peers,
  Readiness,
  OptionalRedis,
  WrongKeys,
} from '@tributary/runtime';
import { RoomResolver } from '@tributary/webcast';
import type { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';
import { Access } from './access/access.js';
import { AccessGuard } from './access/access.guard.js';
import { KeyCache } from './access/key-cache.js';
import { RateLimits } from './access/limits.js';
import { Tokens } from './access/tokens.js';
import { BrowserHost } from './browser/browser-host.js';
import { TabPool } from './browser/tab-pool.js';
import { Cache } from './cache/cache.js';
import { SharedLevel } from './cache/shared.js';
import { Bundles } from './connect/bundles.js';
import { AccountsController } from './http/accounts.controller.js';
import { SignFilter } from './http/answer.js';
import { ConnectController } from './http/connect.controller.js';
import { ConnectRoute } from './http/connect-route.js';
import { Connects } from './http/connects.js';
import { OtherRoutesController } from './http/other-routes.controller.js';
import { ProvidersController } from './http/providers.controller.js';
import { RoomsController } from './http/rooms.controller.js';
import { SigningController } from './http/signing.controller.js';
import { addWideLog } from './http/wide-log.js';
import { ProviderChain } from './failover/provider-chain.js';
import { SignMetrics } from './failover/sign-metrics.js';
import { providerOptions } from './providers/options.js';
import { makeChain, remoteSigner, UPSTREAM_BODY_BYTES_MAX } from './providers/registry.js';
import { LOGGER, REDIS } from './resources.js';
import { GiftLists } from './rooms/gift-list.js';
import { Ownership } from './rooms/ownership.js';
import { RoomFinder } from './rooms/room-finder.js';
import { Hosts } from './tiktok/hosts.js';
import { Upstream } from './tiktok/upstream.js';
import { Visitors } from './tiktok/visitor.js';

const MEMORY = { entriesMax: 20_000, bytesMax: 67_108_864 };
/** Longest time that one signer loads for all: longer than most bundles take, shorter than the time-out of any client. */
const LOCK_MS = 3_000;
const GIFT_CONNECTIONS_MAX = 16;

/** Says when the providers work, and closes what the signer holds open. */
@Injectable()
class Lifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    private readonly readiness: Readiness,
    private readonly chain: ProviderChain,
    private readonly tabs: TabPool,
    private readonly upstream: Upstream,
    private readonly peers: Peers,
  ) {}

  onApplicationBootstrap(): void {
    this.readiness.add('providers', () => this.chain.blockage());
    this.peers.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.peers.stop();
    await Promise.all([this.chain.close(), this.tabs.close(), this.upstream.close()]);
    this.redis.disconnect();
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
        { provide: Metrics, useValue: new Metrics('signer') },
        SignMetrics,
        { provide: REDIS, useFactory: () => createRedis(config.redisUrl, logger, { name: 'signer' }) },
        {
          provide: OptionalRedis,
          useFactory: (redis: Redis) => new OptionalRedis(redis, logger, 'no shared cache, limits by each signer alone, known keys only'),
          inject: [REDIS],
        },
        {
          provide: Peers,
          useFactory: (optionalRedis: OptionalRedis) => new Peers(optionalRedis, config.redisPrefix, 'signer'),
          inject: [OptionalRedis],
        },
        {
          provide: WrongKeys,
          useFactory: (optionalRedis: OptionalRedis, peers: Peers, registry: Metrics) =>
            new WrongKeys({ optionalRedis, peers, prefix: config.redisPrefix, perMinute: config.wrongKeysPerMinute, registry, logger }),
          inject: [OptionalRedis, Peers, Metrics],
        },
        {
          provide: KeyCache,
          useFactory: (redis: Redis, optionalRedis: OptionalRedis) => {
            const projection = new KeyProjection(redis, config.redisPrefix);
            return new KeyCache((hash) => optionalRedis.ask(() => projection.lookup(hash)));
          },
          inject: [REDIS, OptionalRedis],
        },
        {
          provide: RateLimits,
          useFactory: (optionalRedis: OptionalRedis, peers: Peers) => new RateLimits(optionalRedis, config.redisPrefix, peers),
          inject: [OptionalRedis, Peers],
        },
        // Without a secret, development has tokens that end with the process; production mints none.
        { provide: Tokens, useFactory: () => new Tokens(config.signTokenSecret || randomBytes(32).toString('hex')) },
        {
          provide: Cache,
          useFactory: (optionalRedis: OptionalRedis, metrics: SignMetrics) => makeCache(config, optionalRedis, metrics),
          inject: [OptionalRedis, SignMetrics],
        },
        { provide: Hosts, useFactory: () => new Hosts([config.tiktokWebUrl, config.tiktokWebcastUrl]) },
        {
          provide: Upstream,
          useFactory: (hosts: Hosts) =>
            new Upstream(hosts, { bodyBytesMax: UPSTREAM_BODY_BYTES_MAX, connectionsMax: GIFT_CONNECTIONS_MAX }),
          inject: [Hosts],
        },
        {
          provide: Visitors,
          useFactory: (upstream: Upstream, cache: Cache) =>
            new Visitors({ name: 'signer', upstream, webUrl: config.tiktokWebUrl, cache, keepMs: config.signVisitorCacheMs }),
          inject: [Upstream, Cache],
        },
        { provide: RoomResolver, useFactory: () => roomResolver(config) },
        RoomFinder,
        {
          provide: BrowserHost,
          useFactory: () => {
            const { chromiumPath: executablePath, chromiumHeadless: headless, chromiumSandbox: sandbox } = config;
            return new BrowserHost({ executablePath, headless, sandbox, logger });
          },
        },
        {
          provide: TabPool,
          useFactory: (host: BrowserHost, cache: Cache, metrics: SignMetrics) => makeTabs(config, host, cache, metrics),
          inject: [BrowserHost, Cache, SignMetrics],
        },
        {
          provide: ProviderChain,
          useFactory: (hosts: Hosts, cache: Cache, metrics: SignMetrics, rooms: RoomFinder, tabs: TabPool) =>
            makeChain({
              config,
              hosts,
              cache,
              metrics,
              logger,
              tabs,
              ownerOf: (roomId, signal) => rooms.ownerOf(roomId, signal),
            }),
          inject: [Hosts, Cache, SignMetrics, RoomFinder, TabPool],
        },
        Bundles,
        Readiness,
        GiftLists,
        Ownership,
        Access,
        AccessGuard,
        Connects,
        ConnectRoute,
        Lifecycle,
      ],
    };
  }
}

/** How much a client may send, and how long it may take to send and to read. */
export const SIGNER_HTTP = {
  bodyBytesMax: 131_072,
  ignoreDuplicateSlashes: true,
  requestMsMax: 10_000,
  // Longer than any SIGN_BUDGET_MS: nothing moves on a connection while its request is being worked on.
  silenceMsMax: 150_000,
} as const;

/** What the application needs beside the module: answers in the clients' shape, one log line per request, other origins. */
export function prepareSigner(app: NestFastifyApplication, config: Config, logger: Logger): Promise<void> {
  app.useGlobalFilters(new SignFilter(logger));
  const fastify = app.getHttpAdapter().getInstance();
  addWideLog(fastify, logger, app.get(SignMetrics), config.logLevel === 'debug' || config.logLevel === 'trace');
  if (config.signOrigins.length > 0) {
    const exposedHeaders = [
      'x-set-tt-cookie',
      'x-room-id',
      'x-user-agent',
      'x-provider',
      'x-request-id',
      'retry-after',
      'x-ratelimit-reset',
    ];
    const rateHeaders = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'];
    app.enableCors({
      origin: config.signOrigins,
      methods: ['GET', 'POST'],
      exposedHeaders: [...exposedHeaders, ...rateHeaders],
      maxAge: 600,
    });
  }
  return Promise.resolve();
}

function makeCache(config: Config, optionalRedis: OptionalRedis, metrics: SignMetrics): Cache {
  const cache = new Cache({
    shared: new SharedLevel(optionalRedis, config.redisPrefix),
    memory: MEMORY,
    lockMs: LOCK_MS,
    count: (kind, from) => metrics.cached(kind, from),
  });
  metrics.gauge('sign_cache_entries', 'Cached values in this process.', () => [[{}, cache.size.entries]]);
  metrics.gauge('sign_cache_bytes', 'About how many bytes they take.', () => [[{}, cache.size.bytes]]);
  return cache;
}

function makeTabs(config: Config, host: BrowserHost, cache: Cache, metrics: SignMetrics): TabPool {
  const tabs = new TabPool({ host, cache, webUrl: config.tiktokWebUrl, tabsMax: config.signTabsMax, idleMs: config.signTabIdleMs });
  metrics.gauge('sign_browser_tabs', 'Browser tabs by state.', () => {
    const { open, busy, waiting } = tabs.size;
    return [
      [{ state: 'idle' }, open - busy],
      [{ state: 'busy' }, busy],
      [{ state: 'waited-for' }, waiting],
    ];
  });
  metrics.gauge('sign_browser_launches', 'How often Chromium was started.', () => [[{}, host.launches]]);
  return tabs;
}

function roomResolver(config: Config): RoomResolver {
  const remote = config.signProviders.includes('remote') ? remoteSigner(config, providerOptions(config).remote) : undefined;
  return new RoomResolver({
    webUrl: config.tiktokWebUrl,
    webcastUrl: config.tiktokWebcastUrl,
    userAgent: config.signUserAgent,
    timeoutMs: config.signTimeoutMs,
    ...(remote ? { signRoomId: (uniqueId, signal) => remote.roomId(uniqueId, signal) } : {}),
  });
}
