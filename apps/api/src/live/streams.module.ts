import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { EventsModule } from '../events/events.module.js';
import { StoreModule } from '../store/store.module.js';
import { LiveModule } from './live.module.js';
import { LiveStreams } from './live-streams.js';
import { StreamController } from './stream.controller.js';
import { StreamLimits } from './stream-limits.js';
import { StreamSlots } from './stream-slots.js';
import { SubscriptionStarts } from './subscription/subscription-start.js';

/** Live readers over HTTP. */
@Module({
  imports: [LiveModule, StoreModule, AccessModule, EventsModule],
  controllers: [StreamController],
  providers: [LiveStreams, StreamSlots, StreamLimits, SubscriptionStarts],
  exports: [LiveStreams, StreamSlots],
})
export class StreamsModule {}
