import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { disagreementOnPartitions, FeedReader, InboxReader, LogKeys, LogTransport } from '@tributary/log';
import { type Config, createRedis, type Logger, waitForPostgres, waitForRedis } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { POOL, REDIS } from './resources.js';
import { Committer } from './store/writer/committer.js';
import { migrate } from './store/schema/migrate.js';
import { StoreWriter } from './store/writer/writer.js';

const FEED_BLOCK_MS = 1_000;

/**
 * Waits for both databases, brings the schema up to date, checks that this process fits the data, and connects the log:
 * the store role reads the inbox, the http and webhooks roles the feed.
 * @throws Error with one sentence when the configuration does not fit the data.
 */
export async function connectLog(app: NestFastifyApplication, config: Config, logger: Logger): Promise<void> {
  const pool = app.get<Pool>(POOL);
  const redis = app.get<Redis>(REDIS);
  const keys = app.get(LogKeys);
  await waitForPostgres(pool, logger);
  await migrate(config.databaseUrl, logger);
  await waitForRedis(redis, logger);
  const roles = new Set(config.apiRoles);
  const disagreement =
    (roles.has('store') ? await app.get(Committer).disagreementOnPartitions(config.partitions) : undefined) ??
    (await disagreementOnPartitions(redis, keys));
  if (disagreement) throw new Error(disagreement);

  const live = roles.has('http') || (roles.has('webhooks') && config.webhookSecretKey !== '');
  const clients: Redis[] = [];
  const client = (name: string) => {
    const made = createRedis(config.redisUrl, logger, { name, use: 'blocking' });
    clients.push(made);
    return made;
  };
  const feedClient = live ? client('api-feed') : undefined;
  if (feedClient) await waitForRedis(feedClient, logger);
  const transport = new LogTransport({
    logger,
    inbox: roles.has('store')
      ? { reader: app.get(InboxReader), positions: app.get(StoreWriter), keys, subscriber: client('api-wake') }
      : undefined,
    feed: feedClient && { reader: new FeedReader(feedClient, keys, FEED_BLOCK_MS) },
    onClosing: () => clients.forEach((made) => made.disconnect()),
  });
  app.connectMicroservice({ strategy: transport });
  await app.startAllMicroservices();
}
