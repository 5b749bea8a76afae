import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { CreatorsModule } from '../creators/creators.module.js';
import { StoreModule } from '../store/store.module.js';
import { EventFilters } from './event-query.js';
import { EventsController } from './events.controller.js';

/** Stored events: lists, single ones, exports, and the filters that every reader of events takes. */
@Module({
  imports: [StoreModule, CreatorsModule, AccessModule],
  controllers: [EventsController],
  providers: [EventFilters],
  exports: [EventFilters],
})
export class EventsModule {}
