import { Module } from '@nestjs/common';
import { FeedWriter, LogKeys } from '@tributary/log';
import { Config, type Logger, Metrics } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { Counter } from 'prom-client';
import { CreatorStatuses } from '../../creators/creator-statuses.js';
import { LOGGER, REDIS, STORE_POOL } from '../../resources.js';
import { Cleanup } from '../retention/cleanup.js';
import { Committer } from './committer.js';
import { DayPartitions } from '../retention/days.js';
import { SystemEventWriter } from './system-event-writer.js';
import { SessionsAggregate } from '../sessions/sessions-aggregate.js';
import { SessionUpkeep } from '../sessions/session-upkeep.js';
import { StoreModule } from '../store.module.js';
import { StoreReadiness } from '../store-readiness.js';
import { StoreUpkeep } from '../store-upkeep.js';
import { UnwatchedRooms } from '../sessions/unwatched-rooms.js';
import { StoreController, StoreWriter } from './writer.js';

function sessionsOf(pool: Pool, logger: Logger, metrics: Metrics): SessionsAggregate {
  const left = new Counter({
    name: 'tributary_session_events_dead_lettered_total',
    help: 'Stored events that could not be counted in their session',
    registers: [metrics],
  });
  return new SessionsAggregate(pool, {
    onDeadLettered: (seq, reason) => {
      left.inc();
      logger.error({ seq, reason }, 'an event could not be counted in its session; see the table dead_letters');
    },
  });
}

function unwatchedOf(pool: Pool, statuses: CreatorStatuses, committer: Committer, feed: FeedWriter, logger: Logger, metrics: Metrics) {
  const ended = new Counter({
    name: 'tributary_rooms_unwatched_total',
    help: 'Live rooms whose watching ended without a worker to report it, by reason',
    labelNames: ['reason'],
    registers: [metrics],
  });
  return new UnwatchedRooms({
    pool,
    events: new SystemEventWriter({ committer, feed, logger }),
    statuses: (ids) => statuses.of(ids),
    onUnwatched: (reason, rooms) => {
      ended.inc({ reason }, rooms);
      logger.info({ reason, rooms }, 'live rooms are watched no more; their sessions end');
    },
  });
}

/** The store role: it numbers what workers append, commits it, and keeps the log in order. */
@Module({
  imports: [StoreModule],
  controllers: [StoreController],
  providers: [
    {
      provide: FeedWriter,
      useFactory: (redis: Redis, keys: LogKeys, config: Config) => new FeedWriter(redis, keys, config.feedLength),
      inject: [REDIS, LogKeys, Config],
    },
    DayPartitions,
    Committer,
    { provide: SessionsAggregate, useFactory: sessionsOf, inject: [STORE_POOL, LOGGER, Metrics] },
    CreatorStatuses,
    { provide: UnwatchedRooms, useFactory: unwatchedOf, inject: [STORE_POOL, CreatorStatuses, Committer, FeedWriter, LOGGER, Metrics] },
    StoreWriter,
    StoreUpkeep,
    SessionUpkeep,
    StoreReadiness,
    Cleanup,
  ],
})
export class StoreWriterModule {}
