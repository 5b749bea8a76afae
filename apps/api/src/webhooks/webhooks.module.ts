import { randomBytes } from 'node:crypto';
import {
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type Provider,
} from '@nestjs/common';
import { FeedWriter, LogKeys } from '@tributary/log';
import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { Config, createRedis, type Logger, Metrics, ownPorts, Readiness, type SecretBox } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { AccessModule } from '../access/access.module.js';
import { KeyRing } from '../access/key-ring.js';
import { DeliveryEngine } from '../delivery/engine.js';
import { DeliveryMetrics } from '../delivery/upkeep/metrics.js';
import { CreatorRegistry } from '../creators/creator-registry.js';
import { CreatorsModule } from '../creators/creators.module.js';
import { LiveHub } from '../live/hub.js';
import { LiveModule } from '../live/live.module.js';
import { LOGGER, POOL, REDIS, WEBHOOK_POOL } from '../resources.js';
import { Committer } from '../store/committer.js';
import { DayPartitions } from '../store/days.js';
import { StoreModule } from '../store/store.module.js';
import { DeliveriesController } from './deliveries.controller.js';
import { OutboundEventReader } from '../delivery/request/outbound-events.js';
import { DeliverySearch } from './delivery-search.js';
import { DeliveryStore } from './delivery-store.js';
import { EndpointStore } from './endpoint-store.js';
import { GuardedHttp } from '../outbound/guarded-http.js';
import { EndpointEventOutbox } from '../delivery/upkeep/event-outbox.js';
import { ChangeNotifier } from '../delivery/upkeep/change-notifier.js';
import { ReplayStore } from './replay-store.js';
import { disagreementOnSecretKey, webhookBox } from './secret-key.js';
import { Sweeper } from '../delivery/upkeep/sweeper.js';
import { WakeQueue } from '../delivery/upkeep/wake-queue.js';
import { WaitingEventsCounter } from './waiting-events.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksService } from './webhooks-service.js';

/** The delivery engine of this process; undefined where it does not have the role. */
const ENGINE = Symbol('webhook delivery engine');
const SWEEPER = Symbol('webhook sweeper');

/** Starts what runs in the background, and stops it before its clients are closed. */
@Injectable()
class WebhooksLife implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    @Inject(Config) private readonly config: Config,
    @Inject(POOL) private readonly pool: Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(WakeQueue) private readonly queue: WakeQueue,
    @Inject(GuardedHttp) private readonly http: GuardedHttp,
    @Inject(ENGINE) private readonly engine: DeliveryEngine | undefined,
    @Inject(SWEEPER) private readonly sweeper: Sweeper | undefined,
  ) {}

  /** @throws Error with one sentence when the key does not open what is stored. */
  async onApplicationBootstrap(): Promise<void> {
    const { engine, config } = this;
    const disagreement = await disagreementOnSecretKey(this.pool, config.webhookSecretKey);
    if (disagreement) throw new Error(disagreement);
    if (config.webhookSecretKey === '') this.logger.warn({}, 'webhooks are off: WEBHOOK_SECRET_KEY is not set');
    if (!engine) return;
    engine.start();
    this.queue.process((id) => engine.wake(id));
    this.sweeper?.start();
    this.readiness.add('webhooks', () => (engine.alive ? undefined : 'claims cannot be renewed: PostgreSQL does not answer'));
  }

  async onModuleDestroy(): Promise<void> {
    await this.sweeper?.stop();
    await this.queue.close();
    if (this.engine) await this.engine.stop();
    else await this.http.close();
  }
}

/** Webhooks: with the role `http` their REST API, with the role `webhooks` their delivery. */
@Module({})
export class WebhooksModule {
  static of(config: Config): DynamicModule {
    const on = config.webhookSecretKey !== '';
    const http = config.apiRoles.includes('http');
    const runs = on && config.apiRoles.includes('webhooks');
    const policy = new AddressPolicy({ allowCidrs: config.webhookAllowCidrs, ownPorts: ownPorts(config) });
    const guard = new SsrfGuard(policy, new NameResolver());
    // Without a configured key nothing is written or read with this one: the routes answer that webhooks are off.
    const box = webhookBox(on ? config.webhookSecretKey : randomBytes(32).toString('base64'));
    const shared: Provider[] = [
      { provide: SsrfGuard, useValue: guard },
      { provide: GuardedHttp, useFactory: () => new GuardedHttp({ guard }) },
      {
        provide: WakeQueue,
        useFactory: (redis: Redis, logger: Logger) =>
          new WakeQueue({
            redis,
            prefix: config.redisPrefix,
            logger,
            ...(runs ? { blocking: createRedis(config.redisUrl, logger, { name: 'api-webhooks', use: 'blocking' }) } : {}),
          }),
        inject: [REDIS, LOGGER],
      },
      runs ? engineOf(config, box) : { provide: ENGINE, useValue: undefined },
      runs ? sweeperOf(config) : { provide: SWEEPER, useValue: undefined },
      WebhooksLife,
    ];
    const api: Provider[] = [
      {
        provide: EndpointStore,
        useFactory: (pool: Pool) => new EndpointStore(pool, box, config.webhookEndpointsPerKeyMax),
        inject: [POOL],
      },
      { provide: WaitingEventsCounter, useFactory: (pool: Pool) => new WaitingEventsCounter({ pool }), inject: [POOL] },
      { provide: DeliveryStore, useFactory: (pool: Pool) => new DeliveryStore(pool), inject: [POOL] },
      {
        provide: DeliverySearch,
        useFactory: (pool: Pool, store: DeliveryStore) => new DeliverySearch(pool, store),
        inject: [POOL, DeliveryStore],
      },
      { provide: OutboundEventReader, useFactory: (pool: Pool) => new OutboundEventReader(pool), inject: [POOL] },
      { provide: ReplayStore, useFactory: (pool: Pool) => new ReplayStore(pool), inject: [POOL] },
      {
        provide: ChangeNotifier,
        useFactory: (queue: WakeQueue, engine: DeliveryEngine | undefined) => new ChangeNotifier(queue, engine),
        inject: [WakeQueue, ENGINE],
      },
      {
        provide: WebhooksService,
        useFactory: (
          endpoints: EndpointStore,
          deliveries: DeliveryStore,
          guarded: GuardedHttp,
          notifier: ChangeNotifier,
          creators: CreatorRegistry,
          keys: KeyRing,
        ) =>
          new WebhooksService({
            endpoints,
            deliveries,
            http: guarded,
            guard,
            origin: config.webhookOrigin,
            resolveCreators: (refs, reach) => creators.resolve(refs, reach),
            findKey: (id) => keys.get(id),
            notifyChanged: (id) => notifier.notifyChanged(id),
          }),
        inject: [EndpointStore, DeliveryStore, GuardedHttp, ChangeNotifier, CreatorRegistry, KeyRing],
      },
    ];
    return {
      module: WebhooksModule,
      imports: [StoreModule, ...(runs ? [LiveModule] : []), ...(http ? [AccessModule, CreatorsModule] : [])],
      controllers: http ? [WebhooksController, DeliveriesController] : [],
      providers: [...shared, ...(http ? api : [])],
    };
  }
}

function engineOf(config: Config, box: SecretBox): Provider {
  return {
    provide: ENGINE,
    useFactory: (pool: Pool, live: LiveHub, http: GuardedHttp, queue: WakeQueue, metrics: Metrics, logger: Logger) => {
      return new DeliveryEngine({
        pool,
        hub: live,
        box,
        http,
        metrics: new DeliveryMetrics(metrics),
        logger,
        sendsMax: config.webhookSendsMax,
        wakeElsewhere: (ids) => void queue.wake(ids),
      });
    },
    inject: [WEBHOOK_POOL, LiveHub, GuardedHttp, WakeQueue, Metrics, LOGGER],
  };
}

function sweeperOf(config: Config): Provider {
  return {
    provide: SWEEPER,
    useFactory: (pool: Pool, redis: Redis, keys: LogKeys, engine: DeliveryEngine, queue: WakeQueue, logger: Logger) =>
      new Sweeper({
        pool,
        engine,
        queue,
        logger,
        retentionMs: config.webhookRetentionHours * 3_600_000,
        outbox: new EndpointEventOutbox({
          pool,
          committer: new Committer(pool, new DayPartitions(pool)),
          feed: new FeedWriter(redis, keys, config.feedLength),
          logger,
        }),
      }),
    inject: [WEBHOOK_POOL, REDIS, LogKeys, ENGINE, WakeQueue, LOGGER],
  };
}
