import pg from 'pg';
import { ConfigError } from '../config/config.js';
import { reasonOf } from '../reason.js';
import { backoffMs, pause } from '../backoff.js';
import type { Logger } from '../process/logging.js';
import { DeadlineClient, STATEMENT_MS, Stranded } from './postgres-client.js';

/** Interval of pings to idle connections, and the longest time to answer. */
const IDLE_CHECK_MS = 4_000;
/** Between two log lines about lost connections of one pool. */
const SAY_EVERY_MS = 10_000;

/**
 * Makes a PostgreSQL pool. bigint columns come as strings; ask for `::float8` or parse where a number is safe. The server ends
 * an ordinary statement after {@link STATEMENT_MS} ms, and {@link allowLong} allows more. A connection whose server stays
 * silent beyond that is destroyed, with all idle ones beside it, for their peer is probably gone too.
 * @throws ConfigError for an address that cannot be parsed
 */
export function createPool(url: string, logger: Logger, options: { name: string; max: number }): pg.Pool {
  if (!URL.canParse(url))
    throw new ConfigError('DATABASE_URL: expected postgres://user:password@host:port/database, with / ? # @ of a password percent-encoded');
  const pool = new pg.Pool({
    Client: DeadlineClient,
    connectionString: url,
    max: options.max,
    application_name: `tributary-${options.name}`,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
  });
  const idle = new Set<DeadlineClient>();
  let saidAt = -Infinity;
  const say = (reason: string) => {
    if (performance.now() - saidAt < SAY_EVERY_MS) return;
    saidAt = performance.now();
    logger.warn({ pool: options.name, reason }, 'a PostgreSQL connection was lost; others replace it');
  };
  pool.on('connect', (client) => {
    // A checked-out client that is lost emits `error`, which would end the process without a listener. Its next query fails.
    client.on('error', (error) => {
      if (!(error instanceof Stranded)) return;
      say(error.message);
      for (const other of idle) other.strand(error);
    });
  });
  pool.on('acquire', (client) => void (client instanceof DeadlineClient && idle.delete(client)));
  pool.on('remove', (client) => void (client instanceof DeadlineClient && idle.delete(client)));
  pool.on('release', (_, client) => {
    if (!(client instanceof DeadlineClient)) return;
    client.allow(STATEMENT_MS);
    idle.add(client);
  });
  pool.on('error', (error) => say(error.message));
  const checking = setInterval(() => {
    if (pool.ending) clearInterval(checking);
    else if (pool.idleCount > 0) void checkIdle(pool);
  }, IDLE_CHECK_MS);
  checking.unref();
  return pool;
}

/** Pings one idle connection, so that the next query does not have to find out that its server is gone. */
async function checkIdle(pool: pg.Pool): Promise<void> {
  const client = await pool.connect().catch(() => undefined);
  if (!client) return;
  if (client instanceof DeadlineClient) client.allow(IDLE_CHECK_MS, 0);
  await client.query('select 1').then(
    () => client.release(),
    (error: Error) => client.release(error),
  );
}

/** Resolves when PostgreSQL answers; says at first and then every 10 s or so that it waits. False when aborted. */
export async function waitForPostgres(pool: pg.Pool, logger: Logger, signal?: AbortSignal): Promise<boolean> {
  let saidAt = 0;
  for (let attempt = 0; !signal?.aborted; attempt++) {
    try {
      await pool.query('select 1');
      return true;
    } catch (error) {
      if (Date.now() - saidAt > 10_000) {
        logger.warn({ reason: reasonOf(error) }, 'waiting for PostgreSQL');
        saidAt = Date.now();
      }
      await pause(backoffMs(attempt, { firstMs: 100, maxMs: 2_000 }), signal);
    }
  }
  return false;
}
