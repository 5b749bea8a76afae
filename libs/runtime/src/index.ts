export { allowedHosts } from './http/allowed-hosts.js';
export { backoffMs, type BackoffBounds, pause } from './backoff.js';
export { Config, ConfigError, loadConfig, type ProcessName } from './config/config.js';
export type { SettingDoc } from './config/setting-rules.js';
export { isForeignPage } from './foreign-page.js';
export { HealthController, Metrics, Readiness, type ReadinessCheck } from './process/health.js';
export { type KeyLookup, KeyProjection } from './keys/key-projection.js';
export {
  allows,
  hashKey,
  isInTime,
  KEY_CREATORS_MAX,
  type KeyRecord,
  newKey,
  readRestriction,
  type Restriction,
  type Scope,
  SCOPES,
} from './keys/api-keys.js';
export { createLogger, type Logger } from './process/logging.js';
export { LuaScript } from './lua-script.js';
export { ownPorts } from './config/own-ports.js';
export { createPool, waitForPostgres } from './postgres/postgres.js';
export { allowLong, connectClient } from './postgres/postgres-client.js';
export { inTransaction } from './postgres/transaction.js';
export { createValidationPipe, type FieldProblem, Problem, ProblemFilter } from './http/problem.js';
export { createHttpAdapter, type HttpAdapter } from './http/http-adapter.js';
export { codeOfStatus, PROBLEM_TYPES, type ProblemCode } from './http/problem-types.js';
export { type ProcessOptions, runProcess, tellParent } from './process/process.js';
export { type BucketVerdict, GroupedTakes, Peers, SharedBuckets, SharedSlots, WrongKeys } from './rate-limit/index.js';
export { reasonOf } from './reason.js';
export { readRetryAfter } from './retry-after.js';
export { OptionalRedis } from './redis/optional-redis.js';
export { createRedis, waitForRedis } from './redis/redis.js';
export type { Route } from './http/route-table.js';
export { SecretBox } from './keys/secret-box.js';
export { type Release, Semaphore } from './semaphore.js';
export { WakeSignal } from './wake-signal.js';
