import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Config, HealthController, type Logger } from '@tributary/runtime';
import { AccessGuard } from './access/access.guard.js';
import { KeyRing } from './access/key-ring.js';
import { CreatorCounts } from './creators/creator-counts.js';
import { CreatorOptionsKeeper } from './creators/creator-options.js';
import { CreatorRegistry } from './creators/creator-registry.js';
import { CreatorViews } from './creators/creator-views.js';
import { CreatorsController } from './creators/creators.controller.js';
import { proxyGuardProvider } from './creators/proxy-guard.js';
import { StatusLearner } from './creators/status-learner.js';
import { serveDashboard } from './dashboard.js';
import { EventFilters } from './events/event-query.js';
import { EventsController } from './events/events.controller.js';
import { HttpReadiness } from './http-readiness.js';
import { measureRequests } from './http-metrics.js';
import { KeyStore } from './keys/key-store.js';
import { KeysController } from './keys/keys.controller.js';
import { MeController } from './keys/me.controller.js';
import { LiveModule } from './live/live.module.js';
import { LiveStreams } from './live/live-streams.js';
import { StreamLimits } from './live/stream-limits.js';
import { StreamController } from './live/stream.controller.js';
import { SubscriptionStarts } from './live/subscription-start.js';
import { allowOrigins } from './cross-origin.js';
import { connectLog } from './log-consumer.js';
import { serveApiDescription } from './openapi/docs-page.js';
import { OutageInterceptor } from './outage.js';
import { ProblemsController } from './problems.controller.js';
import { ProjectionKeeper } from './projections/projection-keeper.js';
import { ResourcesModule } from './resources.js';
import { SessionStore } from './sessions/session-store.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { StatusController } from './status/status.controller.js';
import { SystemStatusReader } from './status/system-status.js';
import { StoreModule } from './store/store.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';
import { TextGuard } from './text-guard.js';

const HTTP_CONTROLLERS: Type[] = [
  CreatorsController,
  EventsController,
  SessionsController,
  StreamController,
  StatusController,
  KeysController,
  MeController,
  ProblemsController,
];

const HTTP_PROVIDERS: Provider[] = [
  { provide: APP_GUARD, useClass: AccessGuard },
  { provide: APP_INTERCEPTOR, useClass: OutageInterceptor },
  { provide: APP_INTERCEPTOR, useClass: TextGuard },
  HttpReadiness,
  KeyRing,
  KeyStore,
  ProjectionKeeper,
  proxyGuardProvider,
  CreatorOptionsKeeper,
  CreatorRegistry,
  CreatorViews,
  CreatorCounts,
  StatusLearner,
  EventFilters,
  SessionStore,
  SystemStatusReader,
  LiveStreams,
  SubscriptionStarts,
  { provide: StreamLimits, useFactory: () => new StreamLimits() },
];

/** Everything one api process is made of, by its roles. */
@Module({})
export class ApiModule {
  static of(config: Config, logger: Logger): DynamicModule {
    const http = config.apiRoles.includes('http');
    return {
      module: ApiModule,
      // Webhooks name creators as every other route does.
      global: true,
      exports: http ? [CreatorRegistry, KeyRing] : [],
      imports: [
        // The first to start and the last to close: the others use its clients.
        ResourcesModule.of(config, logger),
        { ...StoreModule.of(config, { store: config.apiRoles.includes('store') }), global: true },
        ...(http ? [LiveModule] : []),
        WebhooksModule.of(config),
      ],
      controllers: [HealthController, ...(http ? HTTP_CONTROLLERS : [])],
      providers: http ? HTTP_PROVIDERS : [],
    };
  }
}

/** What must happen between the creation of the application and its listening. */
export async function prepareApi(app: NestFastifyApplication, config: Config, logger: Logger): Promise<void> {
  measureRequests(app);
  if (config.apiRoles.includes('http')) {
    allowOrigins(app, config.apiOrigins);
    serveDashboard(app);
    serveApiDescription(app);
  }
  await connectLog(app, config, logger);
}
