import { Module } from '@nestjs/common';
import { InboxReader, LogKeys } from '@tributary/log';
import { Config } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { POOL, REDIS } from '../resources.js';
import { EventStore } from './event-store.js';
import { SearchStores } from './search-stores.js';

/** What is read of the log, in every role. */
@Module({
  providers: [
    { provide: LogKeys, useFactory: (config: Config) => new LogKeys(config.redisPrefix, config.partitions), inject: [Config] },
    { provide: EventStore, useFactory: (pool: Pool) => new EventStore(pool), inject: [POOL] },
    SearchStores,
    {
      provide: InboxReader,
      useFactory: (redis: Redis, keys: LogKeys, config: Config) =>
        new InboxReader({ redis, keys, batchEntriesMax: 2_000, keepMs: config.inboxKeepMs, inboxBytesMax: config.inboxBytesMax }),
      inject: [REDIS, LogKeys, Config],
    },
  ],
  exports: [LogKeys, EventStore, SearchStores, InboxReader],
})
export class StoreModule {}
