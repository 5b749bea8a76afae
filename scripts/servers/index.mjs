/** Private servers: the one place that starts a Redis or a PostgreSQL, for `npm start`, the tests and the benchmarks. */
export { readArguments } from './arguments.mjs';
export { CliError } from './cli-error.mjs';
export { guard } from './guard.mjs';
export { startPostgres } from './postgres.mjs';
export { processIdentity } from './process-identity.mjs';
export { nodeFlags } from './project.mjs';
export { startRedis } from './redis.mjs';
export { temporaryFolder } from './temporary-folder.mjs';
