export { allowedHosts } from './allowed-hosts.js';
export { backoffMs, type BackoffBounds, pause } from './backoff.js';
export { Config, ConfigError, loadConfig, type ProcessName } from './config.js';
export type { SettingDoc } from './setting-rules.js';
export { isForeignPage } from './foreign-page.js';
export { HealthController, Metrics, Readiness, type ReadinessCheck } from './health.js';
export { type KeyLookup, KeyProjection } from './key-projection.js';
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
} from './keys.js';
export { createLogger, type Logger } from './logging.js';
export { LuaScript } from './lua-script.js';
export { ownPorts } from './own-ports.js';
export { createPool, waitForPostgres } from './postgres.js';
export { allowLong, connectClient } from './postgres-client.js';
export { createValidationPipe, type FieldProblem, Problem, ProblemFilter } from './problem.js';
export { createHttpAdapter, type HttpAdapter } from './http-adapter.js';
export { codeOfStatus, PROBLEM_TYPES, type ProblemCode } from './problem-types.js';
export { type ProcessOptions, runProcess, tellParent } from './process.js';
export { type BucketVerdict, GroupedTakes, Peers, RedisGate, SharedBuckets, SharedSlots, WrongKeys } from './rate-limit/index.js';
export { reasonOf } from './reason.js';
export { readRetryAfter } from './retry-after.js';
export { createRedis, waitForRedis } from './redis.js';
export type { Route } from './route-table.js';
export { SecretBox } from './secret-box.js';
export { type Release, Semaphore } from './semaphore.js';
export { WakeSignal } from './wake-signal.js';
