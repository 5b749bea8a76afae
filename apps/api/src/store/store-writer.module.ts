import { Inject, Injectable, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { FeedWriter, InboxReader, LogKeys } from '@tributary/log';
import { Config, type Logger, Metrics, Readiness } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { Counter } from 'prom-client';
import { CreatorStatuses } from '../creators/creator-statuses.js';
import { type Loop, startLoop } from '../loop.js';
import { LOGGER, REDIS, STORE_POOL } from '../resources.js';
import { Cleanup } from './cleanup.js';
import { Committer } from './committer.js';
import { DayPartitions } from './days.js';
import { buildIndexes } from './index-builder.js';
import { OwnEvents } from './own-events.js';
import { SessionsAggregate } from './sessions-aggregate.js';
import { StoreModule } from './store.module.js';
import { UnwatchedRooms } from './unwatched-rooms.js';
import { StoreController, StoreWriter } from './writer.js';

const TRIM_EVERY_MS = 5_000;
const DAYS_EVERY_MS = 3_600_000;
const INDEXES_EVERY_MS = 600_000;
const AGGREGATE_EVERY_MS = 1_000;
const UNWATCHED_EVERY_MS = 5_000;
/** Stored this much later than appended, the store role is not ready. */
const LAG_MS_MAX = 30_000;

/** The store role's background work: trimming, day partitions and retention, aggregates, readiness. */
@Injectable()
class StoreUpkeep implements OnApplicationBootstrap, OnApplicationShutdown {
  private loops: Loop[] = [];

  constructor(
    private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly writer: StoreWriter,
    private readonly reader: InboxReader,
    private readonly days: DayPartitions,
    private readonly sessions: SessionsAggregate,
    private readonly unwatched: UnwatchedRooms,
    private readonly readiness: Readiness,
    @Inject(STORE_POOL) private readonly pool: Pool,
  ) {}

  onApplicationBootstrap(): void {
    const { logger } = this;
    this.loops = [
      startLoop({ name: 'inbox trimming', everyMs: TRIM_EVERY_MS, logger }, () => this.writer.upkeep()),
      startLoop({ name: 'day partitions', everyMs: DAYS_EVERY_MS, logger }, (signal) => this.keepDays(signal)),
      startLoop({ name: 'index building', everyMs: INDEXES_EVERY_MS, logger }, async (signal) => {
        const built = await buildIndexes(this.pool, signal);
        if (built.length > 0) logger.info({ indexes: built.length }, 'missing indexes were built');
      }),
      startLoop({ name: 'session counts', everyMs: AGGREGATE_EVERY_MS, logger }, async (signal) => {
        await this.sessions.catchUp(signal);
      }),
      startLoop({ name: 'rooms that nobody watches', everyMs: UNWATCHED_EVERY_MS, logger }, async () => {
        await this.unwatched.round();
      }),
    ];
    this.readiness.add('store', () => this.lagging());
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  private async keepDays(signal: AbortSignal): Promise<void> {
    await this.days.ensureLive();
    if (this.config.retentionDays === 0) return;
    const dropped = await this.days.dropOlderThan(this.config.retentionDays, signal);
    if (dropped.length > 0) this.logger.info({ days: dropped.length }, 'days past their retention were dropped');
  }

  private async lagging(): Promise<string | undefined> {
    const head = this.writer.head;
    if (!head) return 'the database cannot be read';
    const { oldestMs } = await this.reader.lag(head.positions);
    return oldestMs > LAG_MS_MAX ? `events are stored ${Math.round(oldestMs / 1000)} s late` : undefined;
  }
}

function sessionsOf(pool: Pool, logger: Logger, metrics: Metrics): SessionsAggregate {
  const left = new Counter({
    name: 'tributary_session_events_set_aside_total',
    help: 'Stored events that could not be counted in their session',
    registers: [metrics],
  });
  return new SessionsAggregate(pool, {
    setAside: (seq, reason) => {
      left.inc();
      logger.error({ seq, reason }, 'an event could not be counted in its session; see the table dead_letters');
    },
  });
}

function unwatchedOf(pool: Pool, statuses: CreatorStatuses, committer: Committer, feed: FeedWriter, logger: Logger, metrics: Metrics) {
  const ended = new Counter({
    name: 'tributary_rooms_unwatched_total',
    help: 'Live rooms whose watching ended without a worker to tell it, by reason',
    labelNames: ['reason'],
    registers: [metrics],
  });
  return new UnwatchedRooms({
    pool,
    events: new OwnEvents({ committer, feed, logger }),
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
    Cleanup,
  ],
})
export class StoreWriterModule {}
