import { disagreementOnPartitions, LogKeys } from '@tributary/log';
import { runProcess, waitForRedis } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import { IngestModule, REDIS } from './ingest.module.js';

await runProcess({
  name: 'ingest',
  port: (config) => config.ingestPort,
  module: (config, logger) => IngestModule.of(config, logger),
  prepare: async (app, config, logger) => {
    const redis = app.get<Redis>(REDIS);
    await waitForRedis(redis, logger);
    const disagreement = await disagreementOnPartitions(redis, new LogKeys(config.redisPrefix, config.partitions));
    if (disagreement) throw new Error(disagreement);
  },
});
