import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { SessionStore } from './session-store.js';
import { SessionsController } from './sessions.controller.js';

/** Sessions with their totals, leaderboards and timelines. */
@Module({ imports: [EventsModule], controllers: [SessionsController], providers: [SessionStore] })
export class SessionsModule {}
