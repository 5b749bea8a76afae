import { type DynamicModule, Module } from '@nestjs/common';
import { SsrfGuard } from '@tributary/outbound';
import { Config, SharedBuckets } from '@tributary/runtime';
import type { Pool } from 'pg';
import { AccessModule } from '../access/access.module.js';
import { KeyRing } from '../access/key-ring.js';
import { CreatorRegistry } from '../creators/creator-registry.js';
import { CreatorsModule } from '../creators/creators.module.js';
import { deliversWebhooks } from '../delivery/delivers-webhooks.js';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { OutboundEventReader } from '../delivery/request/outbound-events.js';
import { ChangeNotifier } from '../delivery/upkeep/change-notifier.js';
import { WebhookResourcesModule } from '../delivery/webhook-resources.module.js';
import { GuardedHttp } from '../outbound/guarded-http.js';
import { POOL } from '../resources.js';
import { StoreModule } from '../store/store.module.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { DeliverySearch } from './deliveries/delivery-search.js';
import { DeliveryStore } from './deliveries/delivery-store.js';
import { EndpointStore } from './endpoints/endpoint-store.js';
import { ReplayStore } from './replays/replay-store.js';
import { ReplaysController } from './replays/replays.controller.js';
import { WaitingEventsCounter } from './waiting-events.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksService } from './webhooks-service.js';

/** The REST API of webhooks. It wakes the delivery of this process where there is one, else that of another. */
@Module({})
export class WebhooksModule {
  static of(config: Config): DynamicModule {
    return {
      module: WebhooksModule,
      imports: [StoreModule, AccessModule, CreatorsModule, WebhookResourcesModule, ...(deliversWebhooks(config) ? [DeliveryModule] : [])],
      controllers: [WebhooksController, DeliveriesController, ReplaysController],
      providers: [
        EndpointStore,
        DeliveryStore,
        ReplayStore,
        ChangeNotifier,
        { provide: WaitingEventsCounter, useFactory: (pool: Pool) => new WaitingEventsCounter({ pool }), inject: [POOL] },
        {
          provide: DeliverySearch,
          useFactory: (pool: Pool, store: DeliveryStore) => new DeliverySearch(pool, store),
          inject: [POOL, DeliveryStore],
        },
        OutboundEventReader,
        {
          provide: WebhooksService,
          useFactory: (
            endpoints: EndpointStore,
            deliveries: DeliveryStore,
            http: GuardedHttp,
            guard: SsrfGuard,
            notifier: ChangeNotifier,
            creators: CreatorRegistry,
            keys: KeyRing,
            buckets: SharedBuckets,
          ) =>
            new WebhooksService({
              endpoints,
              deliveries,
              http,
              guard,
              buckets,
              origin: config.webhookOrigin,
              resolveCreators: (refs, allowedCreators) => creators.resolve(refs, allowedCreators),
              findKey: (id) => keys.get(id),
              notifyChanged: (id) => notifier.notifyChanged(id),
            }),
          inject: [EndpointStore, DeliveryStore, GuardedHttp, SsrfGuard, ChangeNotifier, CreatorRegistry, KeyRing, SharedBuckets],
        },
      ],
    };
  }
}
