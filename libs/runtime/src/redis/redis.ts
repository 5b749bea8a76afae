import { Redis, type RedisOptions } from 'ioredis';
import { backoffMs, pause } from '../backoff.js';
import { ConfigError } from '../config/config.js';
import type { Logger } from '../process/logging.js';

/** A server that sends nothing for this long although an answer is due counts as gone. Half of a lease time, so that leases outlive it. */
const SILENCE_MS = 5_000;
/** Interval of pings: a subscriber or an idle client would never notice that its server is gone. */
const PING_MS = 3_000;
/** Idle time before TCP keepalive probes the peer. */
const KEEPALIVE_MS = 5_000;

/**
 * Makes a Redis client that reconnects for ever with capped, jittered backoff, and logs once that it lost and once that it found
 * its server. A connection on which an answer is due and nothing comes for {@link SILENCE_MS} ms is replaced, so a blocking
 * command may block for less than that. `use: 'command'` fails commands while the server is away, so that callers decide (the default);
 * `use: 'blocking'` is for a client of its own that runs blocking reads.
 * @throws ConfigError for an address that cannot be parsed
 */
export function createRedis(
  url: string,
  logger: Logger,
  options: { name: string; use?: 'command' | 'blocking' } = { name: 'redis' },
): Redis {
  if (!URL.canParse(url))
    throw new ConfigError('REDIS_URL: expected redis://user:password@host:port, with / ? # @ of a password percent-encoded');
  const settings: RedisOptions = {
    connectionName: options.name,
    lazyConnect: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: options.use === 'blocking' ? null : 0,
    connectTimeout: 5_000,
    socketTimeout: SILENCE_MS,
    keepAlive: KEEPALIVE_MS,
    commandTimeout: options.use === 'blocking' ? undefined : 10_000,
    retryStrategy: (times) => backoffMs(times, { firstMs: 50, maxMs: 2_000 }),
    reconnectOnError: (error) => /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN)/.test(error.message),
  };
  const client = new Redis(url, settings);
  let lost = false;
  client.on('error', (error: Error) => {
    if (!lost) logger.warn({ client: options.name, reason: error.message }, 'Redis cannot be reached; trying again');
    lost = true;
  });
  client.on('ready', () => {
    if (lost) logger.info({ client: options.name }, 'Redis is back');
    lost = false;
  });
  const pinging = setInterval(() => {
    if (client.status === 'ready') client.ping().catch(() => undefined);
  }, PING_MS);
  pinging.unref();
  client.on('end', () => clearInterval(pinging));
  return client;
}

/** Resolves when `client` can run commands; says every 10 s that it still waits. False when aborted. */
export async function waitForRedis(client: Redis, logger: Logger, signal?: AbortSignal): Promise<boolean> {
  for (let waitedMs = 0; !signal?.aborted; waitedMs += 100) {
    if (client.status === 'ready') return true;
    if (waitedMs > 0 && waitedMs % 10_000 === 0) logger.warn({ waitedMs }, 'still waiting for Redis');
    await pause(100, signal);
  }
  return false;
}
