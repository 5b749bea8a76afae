import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AccessModule } from '../access/access.module.js';
import { CreatorsModule } from '../creators/creators.module.js';
import { EventsModule } from '../events/events.module.js';
import { HttpReadiness } from './http-readiness.js';
import { KeysModule } from '../keys/keys.module.js';
import { StreamsModule } from '../live/streams.module.js';
import { OutageInterceptor } from '../outage.js';
import { ProblemsController } from './problems.controller.js';
import { RejectUnstorableTextInterceptor } from './reject-unstorable-text.interceptor.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { StatusModule } from '../status/status.module.js';

/** The http role: every resource of the API but webhooks, and what holds for all of its routes. */
@Module({
  imports: [AccessModule, CreatorsModule, EventsModule, SessionsModule, StreamsModule, StatusModule, KeysModule],
  controllers: [ProblemsController],
  providers: [
    { provide: APP_INTERCEPTOR, useClass: OutageInterceptor },
    { provide: APP_INTERCEPTOR, useClass: RejectUnstorableTextInterceptor },
    HttpReadiness,
  ],
})
export class HttpModule {}
