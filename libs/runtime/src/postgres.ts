import pg from 'pg';
import { reasonOf } from './reason.js';
import { backoffMs, pause } from './backoff.js';
import type { Logger } from './logging.js';

/** Makes a PostgreSQL pool. bigint columns come as strings; ask for `::float8` or parse where a number is safe. */
export function createPool(url: string, logger: Logger, options: { name: string; max: number }): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    application_name: `tributary-${options.name}`,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: 30_000,
  });
  // One that is lost while it is checked out says so here, and without a listener that ends the process; its next query fails.
  pool.on('connect', (client) => client.on('error', () => undefined));
  pool.on('error', (error) => logger.warn({ reason: error.message }, 'an idle PostgreSQL connection was lost'));
  return pool;
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
