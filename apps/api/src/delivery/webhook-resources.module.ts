import { randomBytes } from 'node:crypto';
import { Inject, Injectable, Module, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AddressPolicy, NameResolver, SsrfGuard } from '@tributary/outbound';
import { Config, createRedis, type Logger, ownPorts, SecretBox } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { GuardedHttp } from '../outbound/guarded-http.js';
import { LOGGER, POOL, REDIS } from '../resources.js';
import { deliversWebhooks } from './delivers-webhooks.js';
import { disagreementOnSecretKey, webhookBox } from './secret-key.js';
import { WakeQueue } from './upkeep/wake-queue.js';

/** Compares the key with the database before anything uses it. Where nothing is delivered here, it closes what the routes have used. */
@Injectable()
class WebhookResourcesLife implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly config: Config,
    @Inject(POOL) private readonly pool: Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly queue: WakeQueue,
    private readonly http: GuardedHttp,
  ) {}

  /** @throws Error with one sentence when the key does not open what is stored. */
  async onApplicationBootstrap(): Promise<void> {
    const { webhookSecretKey } = this.config;
    const disagreement = await disagreementOnSecretKey(this.pool, webhookSecretKey);
    if (disagreement) throw new Error(disagreement);
    if (webhookSecretKey === '') this.logger.warn({}, 'webhooks are off: WEBHOOK_SECRET_KEY is not set');
  }

  async onModuleDestroy(): Promise<void> {
    if (deliversWebhooks(this.config)) return;
    await this.queue.close();
    await this.http.close();
  }
}

/** What routes of webhooks and their delivery share: secrets, requests to guarded addresses, and wake-ups. */
@Module({
  providers: [
    {
      provide: SecretBox,
      // Without a configured key nothing is written or read with this one: the routes answer that webhooks are off.
      useFactory: ({ webhookSecretKey }: Config) => webhookBox(webhookSecretKey || randomBytes(32).toString('base64')),
      inject: [Config],
    },
    {
      provide: SsrfGuard,
      useFactory: (config: Config) =>
        new SsrfGuard(new AddressPolicy({ allowCidrs: config.webhookAllowCidrs, ownPorts: ownPorts(config) }), new NameResolver()),
      inject: [Config],
    },
    { provide: GuardedHttp, useFactory: (guard: SsrfGuard) => new GuardedHttp({ guard }), inject: [SsrfGuard] },
    {
      provide: WakeQueue,
      useFactory: (redis: Redis, config: Config, logger: Logger) => {
        const blocking = () => createRedis(config.redisUrl, logger, { name: 'api-webhooks', use: 'blocking' });
        return new WakeQueue({ redis, prefix: config.redisPrefix, logger, ...(deliversWebhooks(config) ? { blocking: blocking() } : {}) });
      },
      inject: [REDIS, Config, LOGGER],
    },
    WebhookResourcesLife,
  ],
  exports: [SecretBox, SsrfGuard, GuardedHttp, WakeQueue],
})
export class WebhookResourcesModule {}
