import { Controller, Injectable, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { ApiExcludeController } from '@nestjs/swagger';
import { type BatchOutcome, FEED, type FeedBatch, outcomeOf } from '@tributary/log';
import type { Logger } from '@tributary/runtime';
import { outsideRequests } from '../access/request-context.js';
import { LOGGER } from '../resources.js';
import { EventStore } from '../store/event-store.js';
import { StoreModule } from '../store/store.module.js';
import { LiveHub, type LiveHubOptions } from './hub/hub.js';

@Injectable()
class HubLife implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly hub: LiveHub) {}

  onApplicationBootstrap(): Promise<void> {
    return this.hub.start();
  }

  onApplicationShutdown(): void {
    this.hub.stop();
  }
}

/** Takes the feed, for live streams and webhook endpoints. */
@ApiExcludeController()
@Controller()
class FeedController {
  constructor(private readonly hub: LiveHub) {}

  @EventPattern(FEED)
  take(@Payload() batch: FeedBatch): Promise<BatchOutcome> {
    return outcomeOf(() => {
      this.hub.take(batch);
      return { kind: 'done' };
    });
  }
}

/** What the hub reads is for all its readers, whichever of them made it look. */
function forAllReaders(store: EventStore): LiveHubOptions['store'] {
  return {
    head: () => outsideRequests(() => store.head()),
    query: (...args) => outsideRequests(() => store.query(...args)),
    raiseGeneration: (...args) => outsideRequests(() => store.raiseGeneration(...args)),
  };
}

/** Live reading for the roles http and webhooks: one hub for the live streams and webhook endpoints of this process. */
@Module({
  imports: [StoreModule],
  providers: [
    {
      provide: LiveHub,
      useFactory: (store: EventStore, logger: Logger) => new LiveHub({ store: forAllReaders(store), logger }),
      inject: [EventStore, LOGGER],
    },
    HubLife,
  ],
  controllers: [FeedController],
  exports: [LiveHub],
})
export class LiveModule {}
