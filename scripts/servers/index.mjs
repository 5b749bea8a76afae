/** Private servers: the one place that starts a Redis or a PostgreSQL, for `npm start`, the tests and the benchmarks. */
export { startPostgres } from './postgres.mjs';
export { startRedis } from './redis.mjs';
export { temporaryFolder } from './temporary-folder.mjs';
