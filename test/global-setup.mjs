import { startContainers } from './containers.mjs';
import { testServerStops } from './global-teardown.mjs';
import { startPostgres, startRedis, temporaryFolder } from '../scripts/servers/index.mjs';

/**
 * Gives every suite a Redis and a PostgreSQL: those of TRIBUTARY_TEST_REDIS_URL and TRIBUTARY_TEST_DATABASE_URL, else
 * containers (TRIBUTARY_TEST_CONTAINERS=1 and a Docker engine that answers), else private servers in a temporary folder.
 */
export default async function setUp() {
  const stops = testServerStops;
  const wanted = { redis: !process.env.TRIBUTARY_TEST_REDIS_URL, postgres: !process.env.TRIBUTARY_TEST_DATABASE_URL };
  if (!wanted.redis && !wanted.postgres) return;
  const containers = process.env.TRIBUTARY_TEST_CONTAINERS === '1' ? await startContainers(wanted) : undefined;
  if (containers) {
    stops.push(containers.stop);
    process.env.TRIBUTARY_TEST_REDIS_URL ||= containers.redisUrl;
    process.env.TRIBUTARY_TEST_DATABASE_URL ||= containers.databaseUrl;
    return;
  }
  const folder = temporaryFolder('test');
  const say = (/** @type {string} */ text) => process.stderr.write(`${text}\n`);
  try {
    if (wanted.redis) {
      const redis = await startRedis({ dir: `${folder.path}/redis`, appendonly: 'no', say });
      stops.push(() => redis.stop());
      process.env.TRIBUTARY_TEST_REDIS_URL = redis.url;
    }
    if (wanted.postgres) {
      const settings = { max_connections: '300' };
      const postgres = await startPostgres({ dir: `${folder.path}/postgres`, durable: false, settings, say });
      stops.push(() => postgres.stop());
      process.env.TRIBUTARY_TEST_DATABASE_URL = postgres.url;
    }
  } finally {
    stops.push(() => folder.remove());
  }
}
