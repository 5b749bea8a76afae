import { type DynamicModule, Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Config, HealthController, type Logger } from '@tributary/runtime';
import { followRequests } from './access/request-context.js';
import { allowOrigins } from './http/cross-origin.js';
import { serveDashboard } from './dashboard/dashboard.js';
import { deliversWebhooks } from './delivery/delivers-webhooks.js';
import { DeliveryModule } from './delivery/delivery.module.js';
import { WebhookResourcesModule } from './delivery/webhook-resources.module.js';
import { measureRequests } from './http/http-metrics.js';
import { HttpModule } from './http/http.module.js';
import { connectLog } from './log-consumer.js';
import { serveApiDescription } from './openapi/docs-page.js';
import { ResourcesModule } from './resources.js';
import { StoreModule } from './store/store.module.js';
import { StoreWriterModule } from './store/writer/store-writer.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** Everything one api process is made of, by its roles. */
@Module({})
export class ApiModule {
  static of(config: Config, logger: Logger): DynamicModule {
    const roles = new Set(config.apiRoles);
    return {
      module: ApiModule,
      imports: [
        // The first to start and the last to close: the others use its clients.
        ResourcesModule.of(config, logger),
        StoreModule,
        ...(roles.has('store') ? [StoreWriterModule] : []),
        ...(roles.has('http') ? [HttpModule] : []),
        WebhookResourcesModule,
        ...(deliversWebhooks(config) ? [DeliveryModule] : []),
        ...(roles.has('http') ? [WebhooksModule.of(config)] : []),
      ],
      controllers: [HealthController],
    };
  }
}

/** What must happen between the creation of the application and its listening. */
export async function prepareApi(app: NestFastifyApplication, config: Config, logger: Logger): Promise<void> {
  measureRequests(app);
  if (config.apiRoles.includes('http')) {
    followRequests(app);
    allowOrigins(app, config.apiOrigins);
    serveDashboard(app);
    serveApiDescription(app);
  }
  await connectLog(app, config, logger);
}
