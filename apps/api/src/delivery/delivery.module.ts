import { Injectable, Module, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { FeedWriter, LogKeys } from '@tributary/log';
import { Config, type Logger, Readiness, SecretBox } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { LiveHub } from '../live/hub/hub.js';
import { LiveModule } from '../live/live.module.js';
import { GuardedHttp } from '../outbound/guarded-http.js';
import { LOGGER, REDIS, WEBHOOK_POOL } from '../resources.js';
import { Committer } from '../store/writer/committer.js';
import { DayPartitions } from '../store/retention/days.js';
import { StoreModule } from '../store/store.module.js';
import { DeliveryEngine } from './engine.js';
import { EndpointEventOutbox } from './upkeep/event-outbox.js';
import { DeliveryMetrics } from './upkeep/metrics.js';
import { Sweeper } from './upkeep/sweeper.js';
import { WakeQueue } from './upkeep/wake-queue.js';
import { WebhookResourcesModule } from './webhook-resources.module.js';

const HOUR_MS = 3_600_000;

/** Starts the delivery, and stops it before its clients are closed. */
@Injectable()
class DeliveryLife implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly readiness: Readiness,
    private readonly queue: WakeQueue,
    private readonly engine: DeliveryEngine,
    private readonly sweeper: Sweeper,
  ) {}

  onApplicationBootstrap(): void {
    const { engine } = this;
    engine.start();
    this.queue.process((id) => engine.wake(id));
    this.sweeper.start();
    this.readiness.add('webhooks', () => (engine.alive ? undefined : 'claims cannot be renewed: PostgreSQL does not answer'));
  }

  async onModuleDestroy(): Promise<void> {
    await this.sweeper.stop();
    await this.queue.close();
    await this.engine.stop();
  }
}

/** The webhooks role: it delivers stored events to endpoints, with connections of its own to PostgreSQL. */
@Module({
  imports: [StoreModule, LiveModule, WebhookResourcesModule],
  providers: [
    DeliveryMetrics,
    {
      provide: DeliveryEngine,
      useFactory: (
        pool: Pool,
        hub: LiveHub,
        box: SecretBox,
        http: GuardedHttp,
        queue: WakeQueue,
        metrics: DeliveryMetrics,
        logger: Logger,
        { webhookSendsMax: sendsMax }: Config,
      ) => new DeliveryEngine({ pool, hub, box, http, metrics, logger, sendsMax, wakeElsewhere: (ids) => void queue.wake(ids) }),
      inject: [WEBHOOK_POOL, LiveHub, SecretBox, GuardedHttp, WakeQueue, DeliveryMetrics, LOGGER, Config],
    },
    {
      provide: EndpointEventOutbox,
      useFactory: (pool: Pool, redis: Redis, keys: LogKeys, logger: Logger, { feedLength }: Config) => {
        const committer = new Committer(pool, new DayPartitions(pool));
        return new EndpointEventOutbox({ pool, committer, feed: new FeedWriter(redis, keys, feedLength), logger });
      },
      inject: [WEBHOOK_POOL, REDIS, LogKeys, LOGGER, Config],
    },
    {
      provide: Sweeper,
      useFactory: (pool: Pool, engine: DeliveryEngine, queue: WakeQueue, outbox: EndpointEventOutbox, logger: Logger, config: Config) =>
        new Sweeper({ pool, engine, queue, outbox, logger, retentionMs: config.webhookRetentionHours * HOUR_MS }),
      inject: [WEBHOOK_POOL, DeliveryEngine, WakeQueue, EndpointEventOutbox, LOGGER, Config],
    },
    DeliveryLife,
  ],
  exports: [DeliveryEngine],
})
export class DeliveryModule {}
