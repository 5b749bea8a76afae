import { Module } from '@nestjs/common';
import { CreatorsModule } from '../creators/creators.module.js';
import { StreamsModule } from '../live/streams.module.js';
import { StoreModule } from '../store/store.module.js';
import { StatusController } from './status.controller.js';
import { SystemStatusReader } from './system-status.js';

/** How every part of the system is. */
@Module({ imports: [StoreModule, CreatorsModule, StreamsModule], controllers: [StatusController], providers: [SystemStatusReader] })
export class StatusModule {}
